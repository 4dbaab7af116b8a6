// SPDX-License-Identifier: BSD-3-Clause
// How a run ends when it does not go well: within its time, in one line, with the figures that there are.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileSink } from '../../src/capture/block-buffer.ts';
import { PcapWriter } from '../../src/capture/pcap-writer.ts';
import { writePacket } from '../../src/capture/writer.ts';
import { nodeArguments, ROOT } from '../../test/support/program.ts';
import { startDeviceModel, Tool } from '../../test/support/tool.ts';
import { until } from '../../test/support/wait.ts';
import { startLocal } from './local-peer.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pktgen-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const SCRIPT = 'tools/pktgen/main.ts';
const SINK = ['--vdev', 'net_pcap0,tx_pcap=/dev/null', '--no-return', '--plain'];

function pktgen(...args: string[]) {
  const options = { cwd: ROOT, encoding: 'utf8', timeout: 30_000 } as const;
  const command = [...nodeArguments(SCRIPT), '--no-telemetry', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, options);
  return { status, stdout, stderr };
}

/** A capture of packets at these nanoseconds. */
function capture(times: readonly number[]): string {
  const file = join(folder, 'a.pcap');
  const sink = new FileSink(file);
  const writer = new PcapWriter({ sink: sink.write, interfaces: [{}], nanoseconds: true });
  for (const nanoseconds of times) {
    const header = { seconds: 1, nanoseconds, length: 60, originalLength: 60, interfaceId: 0 };
    writePacket(writer, { ...header, direction: 'in' }, new Uint8Array(60));
  }
  writer.flush();
  sink.close();
  return file;
}

describe('a run that sends nothing', () => {
  const NOTHING = ['--duration', '0.2', '--warm-up', '0'];

  it('ends in one line', () => {
    // The first frame is due long after the end.
    const { status, stderr } = pktgen(...SINK, ...NOTHING, '--rate', '0.001', '--count', '1', '--poisson');
    expect(status, stderr).toBe(1);
    expect(stderr).toMatch(/^vhost-pci-pktgen: no frame was sent$/m);
    expect(stderr).not.toMatch(/Node\.js v|^ +at /m);
  });
});

describe('a module of streams that fails later', () => {
  it.each([
    ["setTimeout(() => { throw new Error('too late'); }, 1);", 'too late'],
    ["setTimeout(() => { throw 'a word'; }, 1);", 'a word'],
    ["setTimeout(() => Promise.reject(new Error('refused')), 1);", 'refused'],
  ])('ends the run in one line that names the file: %s', (code, says) => {
    const file = join(folder, 'streams.ts');
    writeFileSync(file, `${code}\nexport default [{}];\n`);
    const { status, stderr } = pktgen(...SINK, '--rate', '1kpps', '--streams', file);
    expect(status, stderr).toBe(1);
    expect(stderr).toMatch(/^vhost-pci-pktgen: .*streams\.ts: .*$/m);
    expect(stderr).toContain(says);
    expect(stderr).not.toMatch(/Node\.js v|^ +at /m);
  });
});

describe('a file of streams', () => {
  const deep = `{"streams":[{"size":${'['.repeat(20_000)}${']'.repeat(20_000)}}]}`;
  it.each([
    ['deep.json', deep, 'stream 0: size must be'],
    ['null.mjs', 'throw null;', 'null'],
    ['cycle.mjs', 'const a = {}; a.a = a; export default [{ size: a }];', 'Circular'],
    ['bigint.mjs', 'export default [{ size: 10n }];', 'not 10n'],
    ['getter.mjs', "export default [{ get size() { throw new Error('refused'); } }];", 'refused'],
    ['exit.mjs', 'process.exit(0);', 'it ended the process'],
    ['trap.mjs', "export default new Proxy([{}], { get() { throw new Error('trap'); } });", 'trap'],
    ['never.mjs', 'await new Promise(() => {});', 'waits (await) for what never comes'],
    ['q?1.ts', 'export default [];', "TypeScript with a '?' in its name: rename the file"],
    ['named.ts', 'export const a = 1;', 'export default'],
  ])('regression: is named in one line, whatever it holds: %s', (name, text, says) => {
    const file = join(folder, name);
    writeFileSync(file, text);
    const { status, stderr } = pktgen(...SINK, '--streams', file);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^vhost-pci-pktgen: .*\n$/)]);
    expect(stderr).toContain(`${file}: `);
    expect(stderr).toContain(says);
    expect(stderr.length).toBeLessThan(100_000);
  });

  it('regression: may have a name that a URL reads otherwise', () => {
    for (const name of ['h#1.ts', 'q?1.mjs', 'p%31.cjs']) {
      const file = join(folder, name);
      writeFileSync(
        file,
        name.endsWith('.cjs') ? 'module.exports = [{ count: 7 }];' : 'export default [{ count: 7 }];',
      );
      const { status, stderr } = pktgen(...SINK, '--max-lag', '60000', '--streams', file);
      expect([name, status], stderr).toEqual([name, 0]);
    }
  });

  it('regression: no signal ended a module that never returns', async () => {
    const file = join(folder, 'loop.mjs');
    writeFileSync(file, "import { writeSync } from 'node:fs'; writeSync(1, 'loops'); for (;;);");
    const command = [...nodeArguments(SCRIPT), '--no-telemetry', ...SINK, '--streams', file];
    const child = spawn(process.execPath, command, { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      child.kill('SIGTERM');
      expect(await ended).toEqual([null, 'SIGTERM']);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it.each([
    ['a.mjs', 'export const streams = [{ count: 7 }];'],
    ['a.cjs', 'exports.streams = [{ count: 7 }];'],
    ['a.cjs', 'module.exports = [{ count: 7 }];'],
    ['a.ts', 'export const streams: object[] = [{ count: 7 }];'],
  ])('may export them by name: %s: %s', (name, text) => {
    const file = join(folder, name);
    writeFileSync(file, text);
    const { status, stdout, stderr } = pktgen(...SINK, '--max-lag', '60000', '--streams', file);
    expect([status, stdout], stderr).toEqual([0, expect.stringMatching(/^sent 7 of 7 due/m)]);
  });

  it('regression: may have a byte order mark', () => {
    const file = join(folder, 'a.json');
    writeFileSync(file, '\uFEFF[{}]');
    const { status, stderr } = pktgen(...SINK, '--streams', file, '--rate', '1kpps', '--duration', '0.1');
    expect(status, stderr).toBe(0);
  });
});

describe('a replay without gaps', () => {
  it('regression: of one packet is refused as a loop, and is called 1 packet', () => {
    const loop = pktgen(...SINK, '--replay', capture([5]), '--loops', '2');
    expect([loop.status, loop.stderr]).toEqual([1, expect.stringContaining('a.pcap: it has one packet')]);
    const once = pktgen(...SINK, '--replay', capture([5]));
    expect([once.status, once.stderr]).toEqual([
      0,
      expect.stringContaining('1 packet of a capture, all at once'),
    ]);
  });

  it.each([
    ['0', 'all the same time'],
    ['1000000000', 'all the same time'],
  ])('--loops %s is refused', (loops, says) => {
    const { status, stderr } = pktgen(...SINK, '--replay', capture([5, 5, 5]), '--loops', loops);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^vhost-pci-pktgen: .*a\.pcap: .*\n$/)]);
    expect(stderr).toContain(says);
  });

  it('is sent once, or at a rate', () => {
    for (const args of [[], ['--rate', '10kpps', '--loops', '0', '--duration', '0.1']]) {
      const { status, stdout, stderr } = pktgen(...SINK, '--replay', capture([5, 5, 5]), ...args);
      expect([status, stdout], stderr).toEqual([0, expect.stringMatching(/^sent \d+ of/m)]);
    }
  });

  it('keeps --duration however fast it is due', () => {
    const tiny = ['--speed', '1000000', '--loops', '0', '--duration', '0.2', '--max-lag', '1'];
    const { status, stdout, stderr } = pktgen(...SINK, '--replay', capture([5, 6]), ...tiny);
    expect([status, stdout], stderr).toEqual([0, expect.stringMatching(/ due in 0\.200 s: /)]);
  });
});

/** The process ids of a program that `parent` has started. */
function childrenOf(parent: number, program: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const isOurs = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === `${parent}`;
        return isOurs && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(program);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe('a run whose other end is killed', () => {
  it.each([
    ['peer', 'tools/peer/main'],
    ['device', 'tools/device/main'],
  ])('has the figures until then, and one line: the %s', async (name, program) => {
    const files = ['json', 'csv', 'hgrm'].map((kind) => join(folder, `a.${kind}`));
    const wanted = ['--json', '--csv', '--hgrm'].flatMap((option, i) => [option, files[i] as string]);
    const rate = ['--rate', '1kpps', '--warm-up', '0', '--stats-period', '0.1', '--plain'];
    const tool = new Tool(SCRIPT, [...rate, '--no-telemetry', ...wanted]);
    try {
      await tool.printed('t=');
      const [pid] = childrenOf(tool.pid, program);
      process.kill(pid as number, 'SIGKILL');
      await until('it ends', () => !tool.running);
      expect(tool.exitCode).toBe(1);
      expect(tool.output).toMatch(/^sent \d+ of \d+ due/m);
      const reason = `vhost-pci-${name} ended (SIGKILL) while packets flowed`;
      const lines = tool.output.split('\n').filter((line) => line.startsWith('vhost-pci-pktgen: '));
      expect(lines.at(-1)).toContain(reason);
      expect(tool.output).not.toMatch(/^\(node:|VhostPciWarning/m);
      const [json = '', csv = '', hgrm = ''] = files.map((file) => readFileSync(file, 'utf8'));
      const { sent, failures } = JSON.parse(json);
      expect(sent).toBeGreaterThan(0);
      expect(failures).toEqual([expect.stringContaining(reason)]);
      expect([csv, hgrm]).toEqual([expect.stringMatching(/^total,/m), expect.stringContaining('#[Mean')]);
    } finally {
      await tool.kill();
    }
  });
});

describe('a run on a device of the user', () => {
  let device: Tool;
  let peer: Tool;
  const socket = (name: string) => join(folder, name);
  beforeEach(async () => {
    device = await startDeviceModel({ vhostUser: socket('u'), vfioUser: socket('f') });
    peer = new Tool('tools/peer/main.ts', ['--vhost-user', socket('u'), '--mode', 'echo', '--cpu', '1']);
  });
  afterEach(async () => {
    await peer.kill();
    await device.kill();
  });
  const start = (...args: string[]) =>
    new Tool(SCRIPT, ['--no-telemetry', '--plain', '--vdev', `net_vhost_pci0,path=${socket('f')}`, ...args]);
  const paced = ['--rate', '1kpps', '--warm-up', '0', '--stats-period', '0.1'];

  it.each([
    ['run', [...paced], /^sent \d+ of \d+ due/m],
    ['search', ['--ndr', '--trial-time', '60'], /^NDR: none found; /m],
    ['far end', ['--reflect', '--stats-period', '0.1'], /^sent back \d+ frames/m],
  ])('regression: ends with its figures when the device is gone: a %s', async (_, args, figures) => {
    const tool = start(...args);
    try {
      await tool.printed(args[0] === '--ndr' ? 'searching below' : 't=');
      await device.kill();
      await until('it ends', () => !tool.running);
      expect([tool.exitCode, tool.output]).toEqual([1, expect.stringMatching(figures)]);
      expect(tool.output).toMatch(/^vhost-pci-pktgen: net_vhost_pci0 is gone, its device was removed/m);
    } finally {
      await tool.kill();
    }
  });

  it('a far end says once that the other end is gone, and that it is back', async () => {
    const tool = start('--reflect', '--stats-period', '0.05');
    try {
      await tool.printed('t=');
      await peer.kill();
      await tool.printed('waiting for the other end');
      peer = new Tool('tools/peer/main.ts', ['--vhost-user', socket('u'), '--mode', 'echo', '--cpu', '1']);
      await tool.printed('the link is up');
      const [, meanwhile = ''] =
        /waiting for the other end\n([\s\S]*)^net_vhost_pci0: the link is up$/m.exec(tool.output) ?? [];
      // What was printed before may arrive later: they are two streams.
      expect(meanwhile).toMatch(/^(t=.*\n)?$/);
      expect(tool.output.match(/^net_vhost_pci0: the link is down.*$/gm)).toHaveLength(1);
    } finally {
      await tool.kill('SIGINT');
    }
  });

  it('regression: ends a far end that waits for its peer when the device is gone', async () => {
    await peer.kill();
    const tool = start('--reflect');
    try {
      await tool.printed('waiting for the link');
      await device.kill();
      await until('it ends', () => !tool.running);
      expect([tool.exitCode, tool.output]).toEqual([
        1,
        expect.stringMatching(/^vhost-pci-pktgen: net_vhost_pci0 is gone, its device was removed/m),
      ]);
    } finally {
      await tool.kill();
    }
  });

  it('regression: says what is unsent while the peer is away', async () => {
    const tool = start(...paced);
    try {
      await tool.printed('t=');
      await peer.kill();
      await until('it says so', () => /unsent so far [1-9]\d\d/.test(tool.output));
    } finally {
      await tool.kill('SIGINT');
    }
  });
});

describe('a run without a standard output', () => {
  it.each(['--json', '--csv'])('%s - loses no figure: they go to a file', (option) => {
    const command = [process.execPath, ...nodeArguments(SCRIPT), '--no-telemetry', ...SINK]
      .concat('--rate', '1kpps', '--duration', '0.1', '--warm-up', '0', option, '-')
      .map((word) => `'${word}'`)
      .join(' ');
    const script = `cd '${folder}'; ${command} >&-; echo "status $?" >&2`;
    const { stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', timeout: 60_000 });
    const [, place = ''] = /standard output: it is closed; the figures went to (\S+)/.exec(stderr) ?? [];
    expect(readFileSync(join(folder, place), 'utf8'), stderr).toMatch(/"sent": \d|^total,/m);
    expect(stderr).toContain('status 1');
  });

  it('is none whose output is thrown away', () => {
    const command = [
      ...nodeArguments(SCRIPT),
      '--no-telemetry',
      ...SINK,
      '--rate',
      '1kpps',
      '--duration',
      '0.1',
    ];
    const { status } = spawnSync(process.execPath, command, { stdio: 'ignore', timeout: 60_000, cwd: ROOT });
    expect(status).toBe(0);
  });
});

describe('a search that Ctrl-C ends', () => {
  it('says that it was interrupted', async () => {
    const tool = new Tool(SCRIPT, ['--no-telemetry', '--ndr', '--trial-time', '60', '--plain']);
    try {
      await tool.printed('searching below');
      await tool.kill('SIGINT');
      expect([tool.exitCode, tool.output]).toEqual([
        1,
        expect.stringMatching(/^NDR: none found; interrupted before the first trial ended$/m),
      ]);
    } finally {
      await tool.kill();
    }
  });
});

it('a run that is ended while it waits for a link ends at once', async () => {
  const memory = mkdtempSync('/dev/shm/pktgen-');
  const files = ['a', 'b'].map((name) => join(memory, name));
  for (const file of files) writeFileSync(file, new Uint8Array(1 << 20));
  const device = `net_ivshmem0,own=${files[0]},peer=${files[1]}`;
  const args = [...nodeArguments(SCRIPT), '--no-telemetry', '--vdev', device];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'close');
  try {
    // Its signals are handled by the time it has opened the memory, where it writes.
    await until('it waits', () => readFileSync(files[0] as string).some((byte) => byte !== 0));
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(said).toMatch(/^vhost-pci-pktgen: .*: the link did not come up before the run was ended: .*\n$/);
  } finally {
    child.kill('SIGKILL');
    rmSync(memory, { recursive: true });
  }
});

describe('a signal while a device is silent', () => {
  const ended = async (signal: NodeJS.Signals, args: string[], then: (pid: number) => Promise<void>) => {
    const command = [...nodeArguments(SCRIPT), '--no-telemetry', '--plain', '--rate', '1kpps', ...args];
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn(process.execPath, command, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const closed = once(child, 'close');
    try {
      await then(child.pid as number);
      child.kill(signal);
      return [(await closed)[0], said];
    } finally {
      child.kill('SIGKILL');
    }
  };

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('regression: %s is no fault of the device', async (signal, status) => {
    const path = join(folder, 'f');
    const server = createServer((socket) => socket.on('error', () => {}));
    const connected = once(server, 'connection');
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      const says = `vhost-pci-pktgen: Failed to open ${path}: a signal arrived while waiting for its reply\n`;
      const device = ['--vdev', `net_vhost_pci0,path=${path}`];
      expect(await ended(signal, device, async () => void (await connected))).toEqual([status, says]);
    } finally {
      server.close();
    }
  });

  it.each(['device', 'peer'])(
    'regression: ends the wait for the built-in peer, its %s stopped',
    async (name) => {
      const found = (pid: number) => childrenOf(pid, `tools/${name}/main`)[0];
      const [status, said] = await ended('SIGINT', [], async (pid) => {
        await until(`there is a ${name}`, () => found(pid) !== undefined);
        process.kill(found(pid) as number, 'SIGSTOP');
      });
      expect(said).toMatch(/^vhost-pci-pktgen: (interrupted before|Failed to .*: a signal arrived).*\n$/);
      expect(status).toBe(130);
    },
  );
});

it('regression: a built-in peer whose device is given up is not waited for', async () => {
  const over = new AbortController();
  const start = startLocal({
    ...{ cpu: 0, mode: 'echo', queueSize: 256, hugepages: false, maxRunMs: 60_000, over: over.signal },
  });
  over.abort();
  await expect(start).rejects.toMatchObject({ code: 'VPCI_CHILD' });
});
