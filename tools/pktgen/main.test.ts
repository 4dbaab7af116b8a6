// SPDX-License-Identifier: BSD-3-Clause
// The generator as a whole program, against the built-in peer that it starts itself.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileSink } from '../../src/capture/block-buffer.ts';
import { PcapWriter } from '../../src/capture/pcap-writer.ts';
import { PcapngWriter } from '../../src/capture/pcapng-writer.ts';
import { writePacket } from '../../src/capture/writer.ts';
import { fed } from '../../test/support/fed.ts';
import { nodeArguments, ROOT } from '../../test/support/program.ts';
import { startDeviceModel, Tool } from '../../test/support/tool.ts';
import { until } from '../../test/support/wait.ts';
import { commandText } from './about.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pktgen-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const SCRIPT = 'tools/pktgen/main.ts';
/** Slow enough for a machine that does other things as well, so that nothing is unsent. */
const EASY = ['--rate', '10kpps', '--duration', '0.5', '--warm-up', '0.1', '--max-lag', '5000'];

function pktgen(...args: string[]) {
  const [program = '', ...rest] = [process.execPath, ...nodeArguments(SCRIPT), ...args];
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

const written = (file: string) => JSON.parse(readFileSync(file, 'utf8'));

describe('one line', () => {
  it('gives traffic that comes back whole, as lines, JSON, CSV and .hgrm', () => {
    const [json, csv, hgrm] = ['a.json', 'a.csv', 'a.hgrm'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const files = ['--json', json, '--csv', csv, '--hgrm', hgrm];
    const { status, stdout, stderr } = pktgen(...EASY, ...files, '--max-loss', '0', '--max-unsent', '0');
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(
      /^net_vhost_pci0, CPU \d+; built-in peer, CPU \d+: 10\.00 kpps, 1 stream, 64 bytes$/m,
    );
    for (const line of [
      /^sent 500\d of 500\d due in 0\.500 s: 10\.0\d kpps/m,
      /^received 500\d, lost 0 \(0 %\)/m,
    ])
      expect(stdout).toMatch(line);
    expect(stdout).toMatch(/^latency \(us\): min .* p99\.9 .* jitter /m);
    expect(stdout).toMatch(
      /^gaps between frames: off by .* us \(median\), .*; within 5 us or 1 %: .* of (all )?\d+/m,
    );
    const result = written(json);
    expect(result).toMatchObject({
      unsent: 0,
      lost: 0,
      reordered: 0,
      duplicates: 0,
      foreign: 0,
      failures: [],
    });
    expect(result.received).toBe(result.sent);
    expect(result.latency.samples).toBe(result.received);
    const [head, stream, total] = readFileSync(csv, 'utf8')
      .split('\n')
      .map((line) => line.split(','));
    expect(head?.slice(0, 4)).toEqual(['stream', 'seconds', 'offered', 'sent']);
    expect([stream?.[3], total?.[3]]).toEqual([`${result.sent}`, `${result.sent}`]);
    expect(readFileSync(hgrm, 'utf8')).toMatch(new RegExp(`Total count {4}= +${result.received}]`));
  });

  it('sends several streams from a file, each at its rate and in its manner', () => {
    const streams = [
      { name: 'voice', rate: '2kpps', size: 60, vlan: '1-4', poisson: true },
      { name: 'bulk', rate: '4kpps', size: 'imix', burst: 8, srcIp: '10.0.0.1-10.0.0.9' },
      { name: 'six', count: 100, srcIp: '2001:2::1', dstPort: 'random:1-1000' },
    ];
    const [file, json] = [join(folder, 'streams.json'), join(folder, 'a.json')];
    writeFileSync(file, JSON.stringify({ streams }));
    const { status, stderr } = pktgen(...EASY, '--streams', file, '--json', json);
    expect(status, stderr).toBe(0);
    const [voice, bulk, six] = written(json).streams;
    expect([voice, bulk, six].map(({ name, lost }) => [name, lost])).toEqual([
      ['voice', 0],
      ['bulk', 0],
      ['six', 0],
    ]);
    expect(voice.sent).toBeGreaterThan(800);
    expect(voice.sent).toBeLessThan(1200);
    expect(Math.abs(bulk.sent - 2000)).toBeLessThanOrEqual(8);
    expect(six.sent).toBe(100);
    expect(bulk.txBytes / bulk.sent).toBeCloseTo((7 * 64 + 4 * 570 + 1518) / 12, -1);
  });

  it('writes a page, beside an earlier run', () => {
    const [json, html, again] = [join(folder, 'a.json'), join(folder, 'a.html'), join(folder, 'b.html')];
    const first = pktgen(...EASY, '--json', json, '--html', html);
    const second = pktgen(...EASY, '--html', again, '--compare', json);
    expect([first.status, second.status], `${first.stderr}${second.stderr}`).toEqual([0, 0]);
    const { about, rates, percentiles, sent, latency } = written(json);
    expect(about.command).toBe(commandText([...EASY, '--json', json, '--html', html]));
    expect(rates.at(-1)).toMatchObject({ seconds: written(json).seconds });
    const total = rates.reduce(
      (sum: number, { seconds, sentPps }: { seconds: number; sentPps: number }, i: number) =>
        sum + sentPps * (seconds - (rates[i - 1]?.seconds ?? 0)),
      0,
    );
    expect(total).toBeCloseTo(sent, 0);
    expect(percentiles.find(({ percent }: { percent: number }) => percent === 50).ns).toBeCloseTo(
      latency.p50Ns,
      -1,
    );
    const [one, two] = [html, again].map((file) => readFileSync(file, 'utf8'));
    expect(one).toMatch(/<tr><td>sent<\/td><td>500\d<\/td><\/tr>/);
    expect(two).toMatch(/<tr><td>sent<\/td><td>500\d<\/td><td>500\d<\/td><td>1\.00<\/td><\/tr>/);
    expect(two).toContain(`Earlier: ${json}`);
  });

  it('takes streams from TypeScript', () => {
    const [file, json] = [join(folder, 'streams.ts'), join(folder, 'a.json')];
    writeFileSync(file, 'const size: number = 128;\nexport default [{ size, count: 50 }, { count: 25 }];\n');
    const { status, stderr } = pktgen(...EASY, '--streams', file, '--json', json);
    expect(status, stderr).toBe(0);
    expect(written(json).streams.map(({ sent }: { sent: number }) => sent)).toEqual([50, 25]);
  });

  it('finds what the peer drops, and says so by its exit status', () => {
    const json = join(folder, 'a.json');
    const dropping = ['--rate', '20kpps', '--drop-above', '5000', '--duration', '1', '--max-lag', '5000'];
    const { status, stdout } = pktgen(...dropping, '--max-loss', '1%', '--json', json);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^FAILED: lost \d+ of \d+ frames, more than 1 %$/m);
    const { sent, received, lost, failures } = written(json);
    expect(lost).toBe(sent - received);
    expect(lost / sent).toBeGreaterThan(0.6);
    expect(failures).toHaveLength(1);
  });

  it('sends to a sink without expecting anything back', () => {
    const { status, stdout } = pktgen(...EASY, '--peer', 'sink', '--max-loss', '0');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^sent 500\d of/m);
    expect(stdout).not.toContain('lost');
  });
});

describe('--control', () => {
  it('obeys the lines of standard input, and says when', async () => {
    const streams = [{ name: 'voice', rate: '1kpps' }, { name: 'bulk' }];
    const [file, json, html] = ['s.json', 'a.json', 'a.html'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(file, JSON.stringify({ streams }));
    const args = [
      '--control',
      '--rate',
      '1kpps',
      '--warm-up',
      '0',
      '--max-lag',
      '5000',
      '--drain',
      '5000',
      '--streams',
      file,
    ];
    const command = [...nodeArguments(SCRIPT), '--no-telemetry', ...args, '--stats-period', '0.1'];
    const child = fed(spawn(process.execPath, [...command, '--json', json, '--html', html], { cwd: ROOT }));
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    const ended = once(child, 'close');
    try {
      const lines: [string, string][] = [
        ['stop voice', 'stream voice: stopped'],
        ['faster', "vhost-pci-pktgen: 'faster': no command: rate [STREAM] RATE"],
        ['rate bulk 3kpps', 'stream bulk: rate: 3.00 kpps'],
        ['start voice', 'stream voice: started: 1.00 kpps'],
      ];
      await until('it sends', () => said.includes('t='));
      for (const [line, answer] of lines) {
        child.stdin.write(`${line}\n`);
        await until(answer, () => said.includes(answer));
      }
      child.stdin.end('quit\n');
      expect(await ended, said).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
    }
    const { changes, lost, unsent, reordered } = written(json);
    expect({ lost, unsent, reordered }).toEqual({ lost: 0, unsent: 0, reordered: 0 });
    expect(changes).toMatchObject([
      { stream: 'voice', change: 'stream voice: stopped', pps: 0 },
      { stream: 'bulk', change: 'stream bulk: rate: 3.00 kpps', pps: 3000 },
      { stream: 'voice', change: 'stream voice: started: 1.00 kpps', pps: 1000 },
    ]);
    const times = changes.map(({ seconds }: { seconds: number }) => seconds);
    expect(times).toEqual(times.toSorted((a: number, b: number) => a - b));
    expect(said).toMatch(/^t=\d+\.\d{3} s {2}stream voice: stopped$/m);
    expect(readFileSync(html, 'utf8')).toMatch(/<li>1\. \d+\.\d{3} s: stream voice: stopped<\/li>/);
  });

  it('goes on without a standard input', () => {
    const { status, stderr, stdout } = pktgen(...EASY, '--control');
    expect([status, stdout], stderr).toEqual([0, expect.stringMatching(/^sent 500\d of 500\d due/m)]);
  });

  it.each([
    ['has no end of a line', () => openSync('/dev/zero', 'r'), 'a line of more than 1000 characters'],
    ['cannot be read', () => openSync(join(folder, 'out'), 'w'), 'EBADF'],
  ])('goes on with a standard input that %s', (_, open, says) => {
    const stdin = open();
    const args = [...nodeArguments(SCRIPT), ...EASY, '--control', '--no-telemetry'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      ...{ cwd: ROOT, encoding: 'utf8', timeout: 60_000, stdio: [stdin, 'pipe', 'pipe'] },
    });
    closeSync(stdin);
    expect([status, stdout], stderr).toEqual([0, expect.stringMatching(/^sent 500\d of 500\d due/m)]);
    expect(stderr.split('\n').filter((line) => line.includes('--control'))).toEqual([
      expect.stringContaining(`vhost-pci-pktgen: --control: ${says}`),
    ]);
  });
});

describe('a replay', () => {
  /** Packets at these microseconds. */
  function capture(name: string, times: readonly number[]): { file: string; packets: Uint8Array[] } {
    const file = join(folder, name);
    const sink = new FileSink(file);
    const options = { sink: sink.write, interfaces: [{}] };
    const writer = name.endsWith('ng') ? new PcapngWriter(options) : new PcapWriter(options);
    const packets = times.map((_, i) => Uint8Array.from({ length: 60 + i }, (_, k) => (i * 7 + k) & 0xff));
    packets.forEach((bytes, i) => {
      const time = { seconds: 1000, nanoseconds: (times[i] as number) * 1000 };
      const length = bytes.length;
      const header = { ...time, length, originalLength: length, interfaceId: 0, direction: 'in' as const };
      writePacket(writer, header, bytes);
    });
    writer.flush();
    sink.close();
    return { file, packets };
  }

  it.each([
    ['a.pcap', []],
    ['a.pcapng', ['--speed', '2', '--loops', '3']],
    ['a.pcap', ['--rate', '1kpps', '--loops', '2']],
  ])('of %s sends every packet: %j', (name, args) => {
    const { file, packets } = capture(name, [0, 100_000, 100_000, 250_000]);
    const json = join(folder, 'a.json');
    const { status, stdout, stderr } = pktgen('--replay', file, ...args, '--json', json);
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(/: 4 packets of a capture, /);
    const loops = Number(args[args.indexOf('--loops') + 1] ?? 1) || 1;
    const result = written(json);
    expect([result.sent, result.unsent, result.returned]).toEqual([4 * loops, 0, 4 * loops]);
    expect([result.lost, result.received]).toEqual([null, null]);
    expect(result.txBytes).toBe(loops * packets.reduce((sum, { length }) => sum + length, 0));
    expect(stdout).toMatch(/^came back: \d+ \(packets of a capture carry no numbers\)$/m);
    if (args.length === 0) expect(result.seconds).toBeGreaterThan(0.249);
  });

  it.each([
    ['/nonexistent.pcap', '/nonexistent.pcap'],
    ['package.json', 'neither a pcap nor a pcapng file'],
  ])('of %s is refused in one line', (file, says) => {
    const { status, stderr } = pktgen('--replay', file);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^vhost-pci-pktgen: .*\n$/);
    expect(stderr).toContain(says);
  });

  it('of a file that ends in a packet is refused in one line', () => {
    const { file } = capture('a.pcap', [0, 1]);
    truncateSync(file, statSync(file).size - 5);
    const { status, stderr } = pktgen('--replay', file);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^vhost-pci-pktgen: .*a\.pcap.*\n$/)]);
  });
});

describe('the far end', () => {
  it.each(['--reflect', '--pong'])('%s sends back every frame of a peer that checks them', async (option) => {
    const [vhostUser, vfioUser] = [join(folder, 'u'), join(folder, 'f')];
    const device = await startDeviceModel({ vhostUser, vfioUser });
    const peer = new Tool('tools/peer/main.ts', ['--vhost-user', vhostUser, '--count', '2000']);
    const far = new Tool(SCRIPT, [option, '--vdev', `net_vhost_pci0,path=${vfioUser}`]);
    try {
      await until('the peer ends', () => !peer.running || !far.running);
      expect(peer.exitCode, `${peer.output}${far.output}`).toBe(0);
      await far.kill('SIGINT');
      expect([far.exitCode, far.output]).toEqual([
        0,
        expect.stringMatching(/^sent back 2000 frames, 128000 bytes$/m),
      ]);
    } finally {
      for (const tool of [far, peer, device]) await tool.kill();
    }
  });

  it('is met by one frame at a time with --ping', () => {
    const json = join(folder, 'a.json');
    const { status, stderr } = pktgen('--ping', '--count', '200', '--json', json);
    expect(status, stderr).toBe(0);
    expect(written(json)).toMatchObject({ sent: 200, received: 200, lost: 0, queueFull: 0 });
  });
});

describe('a search', () => {
  it('finds the rate above which the peer drops', () => {
    const json = join(folder, 'a.json');
    const quick = ['--trial-time', '1', '--search-time', '40', '--precision', '1%', '--max-lag', '500'];
    const { status, stdout, stderr } = pktgen('--ndr', '--drop-above', '10000', ...quick, '--json', json);
    const { pps, failed, steps, complete, reliable } = written(json);
    expect(stdout, stderr).toMatch(
      /^NDR: (\d+(\.\d+)? k?pps \(.* failed\),( not reliable:)? \d+ .*trials|none found;.*$)/m,
    );
    expect(steps.length).toBeGreaterThan(1);
    // A machine that does other things as well may make a lower rate lose frames, but no higher one pass.
    expect(pps ?? 0).toBeLessThan(10_300);
    expect(failed).toBeGreaterThan(pps ?? 0);
    expect(status).toBe(complete && reliable && pps !== null ? 0 : 1);
  });

  it('refuses a size without room for the headers before anything is started', () => {
    const { status, stdout, stderr } = pktgen('--rfc2544', 'latency', '--protocol', 'tcp');
    expect([status, stdout, stderr]).toEqual([
      ...[2, ''],
      'vhost-pci-pktgen: --frame-sizes 64: size: 60 is not a size from 68 to 9018 bytes: IPv4 and TCP, with a number and a time, need 68\n',
    ]);
  });

  it('runs the tests of RFC 2544 at each size', () => {
    const [json, html] = [join(folder, 'a.json'), join(folder, 'a.html')];
    const quick = [
      '--trial-time',
      '0.2',
      '--search-time',
      '3',
      '--precision',
      '10%',
      '--frame-sizes',
      '64,512',
    ];
    const { stdout, stderr } = pktgen('--rfc2544', 'all', ...quick, '--json', json, '--html', html);
    expect(readFileSync(html, 'utf8')).toMatch(/<tr><td>64<\/td><td>.*pps<\/td>/);
    for (const line of ['throughput', 'frame loss', 'back-to-back'])
      expect(stdout, stderr).toMatch(new RegExp(`^ +512 bytes {2}${line}`, 'm'));
    expect(written(json).rfc2544.map(({ size }: { size: number }) => size)).toEqual([64, 512]);
  });
});

describe('its end', () => {
  it('comes in order with Ctrl-C', async () => {
    const tool = new Tool(SCRIPT, ['--rate', '1kpps', '--stats-period', '0.2']);
    await tool.printed('t=');
    await tool.kill('SIGINT');
    expect(tool.output).toMatch(/^received \d+, lost 0/m);
    expect(tool.exitCode).toBe(0);
  });

  it.each(['json', 'html'])('on a full disk loses no figure: %s', (kind) => {
    const { status, stdout, stderr } = pktgen(...EASY, `--${kind}`, '/dev/full');
    expect(status).toBe(1);
    const [, place = ''] = /Failed to write \/dev\/full: .*; the figures went to (\S+)/.exec(stderr) ?? [];
    expect(place).toMatch(new RegExp(`\\.${kind}$`));
    const text = readFileSync(join(ROOT, place), 'utf8');
    expect(text).toMatch(kind === 'json' ? /"lost": 0,/ : /<td>lost<\/td><td>0<\/td>/);
    rmSync(join(ROOT, place));
    expect(stdout).toContain('received');
  });

  it('with a closed pipe loses no figure', () => {
    const command = [process.execPath, ...nodeArguments(SCRIPT), ...EASY]
      .map((word) => `'${word}'`)
      .join(' ');
    const script = `cd '${folder}'; { ${command}; echo "status $?" >&2; } | true`;
    const { stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', timeout: 60_000 });
    const [, place = ''] = /standard output: .*; the figures went to (\S+)/.exec(stderr) ?? [];
    expect(readFileSync(join(folder, place), 'utf8')).toMatch(/^received \d+, lost 0/m);
    expect(stderr).toContain('status 1');
  });
});

it("prints figures only where '-' asks for them on standard output", () => {
  const periods = ['--stats-period', '0.1', '--warm-up', '0.1', '--max-lag', '5000'];
  const { stdout, stderr } = pktgen('--rate', '1kpps', '--duration', '0.5', ...periods, '--json', '-');
  expect(JSON.parse(stdout)).toMatchObject({ sent: 500, lost: 0 });
  expect(stderr).toMatch(/^t=0\.\d s {2}sent /m);
  // regression: the line of the last period was mostly missing
  expect(stderr).toMatch(/^t=0\.5 s {2}sent /m);
});

it('regression: --rate was without effect, and said nothing, where every stream has a rate', () => {
  const file = join(folder, 'streams.json');
  writeFileSync(file, '[{"rate": "1kpps"}]');
  const { status, stderr } = pktgen('--streams', file, '--rate', '10kpps');
  expect(stderr).toBe(
    `vhost-pci-pktgen: --rate: every stream of ${file} has a rate of its own, so it has no effect\n`,
  );
  expect(status).toBe(1);
});

describe('a mistake is one line that names it', () => {
  it.each([
    [['--rate', '0'], "'0': a rate must be above 0", 2],
    [['--rate', 'fast'], "'fast' is not a rate", 2],
    [['--size', '20'], '--size: 20 is not a size from 56', 2],
    [['--srcip', '1'], "unknown option '--srcip'", 2],
    [['--src-ip', '10.0.0.x'], "--src-ip: '10.0.0.x' is not an IPv4 address", 2],
    [['--streams', '/nonexistent.json'], 'Failed to read /nonexistent.json: ', 1],
    [['--json', '/nonexistent/a.json'], 'Failed to write /nonexistent/a.json', 1],
    [['--vdev', 'net_vhost_pci0,path=/nonexistent'], 'no such socket', 1],
    [['--vdev', 'net_null0', '-a', 'net_null1'], 'the generator drives one device', 2],
    [['--reflect'], '--reflect: name the device', 2],
    [['--ping', '--rate', '1k'], '--ping: not with --rate', 2],
    [['--ndr', '--pdr', '1'], 'one search at a time', 2],
    [['--rfc2544', 'speed'], "'speed' is not one of throughput", 2],
    [['--max-loss', 'x'], "'x' is not a percentage", 2],
    [['--ndr'], '--duration: the trials of a search have --trial-time', 2],
    [['--ndr', '--rate', '1k'], '--rate: a search finds the rate', 2],
    [['--replay', 'a.pcap', '--max-loss', '0'], '--max-loss needs numbered frames', 2],
  ])('%j', (args, says, code) => {
    const { status, stdout, stderr } = pktgen('--duration', '0.1', ...args);
    expect([status, stdout]).toEqual([code, '']);
    expect(stderr).toContain(says);
    expect(stderr).toMatch(/^vhost-pci-pktgen: .*\n$/);
  });

  it.each([
    ['{', 'not JSON'],
    ['[{"sice": 64}]', "stream 0: unknown key 'sice'; did you mean 'size'?"],
    ['{"stream": []}', "unknown key 'stream'"],
    ['[{"name": "a\\u001b[2J"}]', 'stream 0: name must be a text of one line, without control characters'],
    ['[{"name": "own", "size": 20}]', 'stream 0 (own): size: 20 is not a size'],
    ['[{"name": "own", "ttl": 0}]', 'stream 0 (own): ttl must be a whole number from 1'],
    ['[{"name": "a"}, {"name": "a"}]', "streams 0 and 1 have one name, 'a'"],
    ['[{"rate": "1mbs"}]', "stream 0: rate: '1mbs' is not a rate"],
  ])('in a file: %s', (text, says) => {
    const file = join(folder, 'streams.json');
    writeFileSync(file, text);
    const { status, stderr } = pktgen('--streams', file);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^vhost-pci-pktgen: .*\n$/);
    expect(stderr).toContain(`${file}: ${says}`);
  });
});
