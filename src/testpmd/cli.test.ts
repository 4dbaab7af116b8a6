// SPDX-License-Identifier: BSD-3-Clause
// The program as users run it, on net_null ports.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fed } from '../../test/support/fed.ts';
import { nodeArguments } from '../../test/support/program.ts';
import { programMissing } from '../../test/support/program-missing.ts';
import { until } from '../../test/support/wait.ts';
import { native } from '../native.ts';

const program = nodeArguments('src/testpmd/main.ts');
const cpus = native.getAffinity();
/** For any machine: main and forwarding lcore on its last CPU. */
const LCORES = `--lcores=0@${cpus.at(-1)},1@${cpus.at(-1)}`;
const TWO = [LCORES, '--vdev', 'net_null0', '--vdev', 'net_null1'];

/** A testpmd process whose output tests can wait for. */
class Cli {
  out = '';
  err = '';
  readonly #child: ChildProcess;
  readonly exit: Promise<number | null>;

  constructor(args: readonly string[]) {
    this.#child = fed(spawn(process.execPath, [...program, ...args], { stdio: 'pipe' }));
    this.#child.stdout?.on('data', (data) => {
      this.out += data;
    });
    this.#child.stderr?.on('data', (data) => {
      this.err += data;
    });
    this.exit = new Promise((resolve) => this.#child.once('close', resolve));
  }

  /** Waits for text on stderr, which is independent of stdout. */
  async complains(text: string): Promise<void> {
    for (let i = 0; i < 2000 && !this.err.includes(text); i++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(this.err).toContain(text);
  }

  async until(text: string | RegExp): Promise<void> {
    const there = () => (typeof text === 'string' ? this.out.includes(text) : text.test(this.out));
    for (let i = 0; i < 2000 && !there(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    if (!there()) throw new Error(`${text} did not appear in:\n${this.out}\n${this.err}`);
  }

  /** Sends a line and returns the output up to the next prompt. */
  async say(line: string): Promise<string> {
    await this.until(/testpmd> $/);
    const before = this.out.length;
    this.#child.stdin?.write(`${line}\n`);
    await this.until(new RegExp(`^[\\s\\S]{${before}}[\\s\\S]*\\ntestpmd> $`));
    return this.out
      .slice(before)
      .replace(/^.*\n/, '')
      .replace(/testpmd> $/, '');
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  end(): void {
    this.#child.stdin?.end();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

let cli: Cli;
afterEach(() => cli?.kill('SIGKILL'));

const forwards = async () => {
  for (let i = 0; i < 1000; i++) {
    if (/RX-packets: [1-9]/.test(await cli.say('show port stats 0'))) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('nothing was forwarded');
};

describe('the prompt', () => {
  it("passes DPDK's smoke test: started by -ia, stopped from a pipe", async () => {
    cli = new Cli([...TWO, '--', '-ia']);
    await cli.until('io packet forwarding - ports=2 -');
    await forwards();
    cli.write('stop\n');
    cli.end();
    expect(await cli.exit).toBe(0);
    expect(cli.out).toContain(
      'Interactive-mode selected\nAuto-start selected\nConfiguring Port 0 (socket 0)\n',
    );
    const last = /RX-packets: (\d+).*\n.*\n {2}\++\n\nDone\.\n/.exec(cli.out);
    expect(Number(last?.[1])).toBeGreaterThan(0);
    expect(cli.out).toMatch(/Port 0 is closed\nDone\n[\s\S]*Port 1 is closed\nDone\n\nBye\.\.\.\n$/);
  });

  it.each([
    [['-i'], true],
    [['-i', '-a'], false],
  ])('regression: says after %j that packets wait for "start": %s', async (options, says) => {
    cli = new Cli([...TWO, '--', ...options]);
    await cli.until('testpmd> ');
    expect(cli.err.includes("no packets are forwarded until the command 'start'")).toBe(says);
  });

  it('answers DTS: start twice, stop, ports, quit', async () => {
    cli = new Cli([...TWO, '--', '-i']);
    expect(await cli.say('set fwd macswap')).toBe('Set macswap packet forwarding mode\n');
    expect(await cli.say('set burst 16')).toBe('Number of packets per burst set to 16\n');
    expect(await cli.say('start')).toContain('macswap packet forwarding packets/burst=16');
    await cli.say('start');
    await cli.complains('Packet forwarding already started\n');
    await cli.say('port stop all');
    await cli.complains('Please remove port 0 from forwarding configuration.\n');
    expect(await cli.say('show port info 0')).toContain('Link status: up\n');
    await forwards();
    const stopped = await cli.say('stop');
    expect(stopped.startsWith('Telling cores to stop...\nWaiting for lcores to finish...\n\n  ----')).toBe(
      true,
    );
    expect(stopped.endsWith('\nDone.\n')).toBe(true);
    await cli.say('stop');
    await cli.complains('Packet forwarding not started\n');
    expect(await cli.say('port stop all')).toBe('Stopping ports...\nChecking link statuses...\nDone\n');
    await cli.say('start');
    await cli.complains('Not all ports were started\n');
    expect(await cli.say('port start all')).toMatch(
      /^Port 0: [0-9A-F:]+\nPort 1: .*\nChecking link statuses\.\.\.\nDone\n$/,
    );
    await cli.say('port stop all');
    expect(await cli.say('port close all')).toBe(
      'Closing ports...\nPort 0 is closed\nPort 1 is closed\nDone\n',
    );
    expect(await cli.say('show port info 0')).toBe('The valid ports array is [ ]\n');
    await cli.complains('Invalid port 0\n');
    cli.write('quit\n');
    expect(await cli.exit).toBe(0);
    expect(cli.out.endsWith('testpmd> quit\n\nBye...\n')).toBe(true);
  });

  it("uses testpmd's words for set and show", async () => {
    cli = new Cli([...TWO, '--', '-i', '--rxq=2', '--txq=2']);
    expect(await cli.say('set fwd mac retry')).toBe('Set mac packet forwarding mode with retry\n');
    expect(await cli.say('set eth-peer 1 02:00:00:00:00:aa')).toBe('');
    expect(await cli.say('show config fwd')).toContain(
      'RX P=0/Q=1 (socket 0) -> TX P=1/Q=1 (socket 0) peer=02:00:00:00:00:AA',
    );
    expect(await cli.say('set txpkts 100,200')).toBe('');
    expect(await cli.say('show config txpkts')).toBe(
      'Number of segments: 2\nSegment sizes: 100,200\nSplit packet: off\n',
    );
    expect(await cli.say('set txsplit rand')).toBe('');
    expect(await cli.say('show config txpkts')).toContain('Split packet: rand\n');
    expect(await cli.say('set txsplit off')).toBe('');
    expect(await cli.say('set txtimes 1000,10')).toBe('');
    expect(await cli.say('show config txtimes')).toBe('Interburst gap: 1000\nIntraburst gap: 10\n');
    expect(await cli.say('set txtimes 0,0')).toBe('');
    expect(await cli.say('show config cores')).toBe('List of forwarding lcores:  1\n');
    expect(await cli.say('show port summary all')).toContain('Number of available ports: 2\n');
    expect(await cli.say('clear port stats 0')).toBe('\n  NIC statistics for port 0 cleared\n');
    expect(await cli.say('show port 0 macs')).toBe('Number of MAC address added: 1\n  02:6E:75:6C:6C:00\n');
    expect(await cli.say('help')).toContain(
      '    help control                    : Start and stop forwarding.\n',
    );
    expect(await cli.say('set verbose 1')).toBe('Change verbose level from 0 to 1\n');
    expect(await cli.say('set verbose 0')).toBe('Change verbose level from 1 to 0\n');
    expect(await cli.say('foo')).toBe('Command not found\n');
    expect(await cli.say('show port')).toBe('Bad arguments\n');
    expect(await cli.say('help foo')).toBe(
      'Bad arguments: the sections are control, display, config, ports, filters, traffic_management, devices, drivers, all\n',
    );
    for (const [line, complaint] of [
      ['set burst 1000', 'nb pkt per burst: 1000 > 512 (maximum packet per burst)  ignored\n'],
      ['set nbcore 5', 'nb fwd cores 5 > 1 (max. number of configured lcores) - ignored\n'],
      ['set txsplit foo', 'unknown value: "foo"\n'],
      ['set txtimes 1,2,3', 'Number of tx times = 3 > 2 (maximum items)\n'],
      ['set txonly-flows 65', 'txonly-flows must be >= 1 and <= 64\n'],
      ['set txpkts 20', 'total packet length=20 < 42 - give up\n'],
      ['set eth-peer 9 02:00:00:00:00:09', 'Error: Invalid port number 9\n'],
      ['set eth-peer 0 zz', 'Error: Invalid ethernet address: zz\n'],
      ['port start 5', 'Invalid port 5\n'],
      ['load /nonexistent', 'context: /nonexistent (ENOENT: no such file or directory)\n'],
    ]) {
      expect(await cli.say(line)).toBe('');
      await cli.complains(complaint);
    }
    await cli.say('start tx_first 3');
    await forwards();
    await cli.say('stop');
    cli.end();
    expect(await cli.exit).toBe(0);
  });

  it('changes packets of txonly at once, and refuses what would change the streams', async () => {
    cli = new Cli([...TWO, '--', '-i', '--forward-mode=txonly']);
    await cli.say('start');
    const average = async () => {
      await cli.say('clear port stats all');
      const text = await cli.say('show port stats 0');
      const [, packets, bytes] = /TX-packets: (\d+).*TX-bytes: +(\d+)/.exec(text) ?? [];
      return Number(bytes) / Number(packets);
    };
    while ((await average()) !== 64);
    expect(await cli.say('set txpkts 512')).toBe('');
    while ((await average()) !== 512);
    expect(await cli.say('set txtimes 1000000,0')).toBe('');
    expect(await cli.say('set txpkts 50')).toBe('');
    await cli.complains('Not enough Tx segment space for time stamp info, total 50 < 58 (needed)\n');
    expect(await cli.say('set burst 0')).toBe('Number of packets per burst set to 0\n');
    await cli.say('clear port stats all');
    expect(await cli.say('show port stats 0')).toMatch(/TX-packets: 0 /);
    expect(await cli.say('set txtimes 0,0')).toBe('');
    expect(await cli.say('set burst 8')).toBe('Number of packets per burst set to 8\n');
    for (const line of ['set nbcore 1', 'set portlist 0', 'set corelist 1']) await cli.say(line);
    await cli.complains(
      'Please stop forwarding first\nPlease stop forwarding first\nPlease stop forwarding first\n',
    );
    expect(await cli.say('stop')).toContain('Done.');
    cli.end();
    expect(await cli.exit).toBe(0);
  });

  it.each([
    [
      'flowgen',
      [],
      '  number of flows for port 0: 1024\n  number of flows for port 1: 1024\n  flowgen packet',
    ],
    ['noisy', ['--noisy-tx-sw-buffer-size=64'], '  noisy packet forwarding packets/burst=32\n'],
    ['noisy', ['--noisy-forward-mode=mac'], '  noisy-mac packet forwarding packets/burst=32\n'],
  ])('forwards in mode %s %j', async (mode, options, banner) => {
    cli = new Cli([...TWO, '--', '-i', ...options]);
    expect(await cli.say(`set fwd ${mode}`)).toBe(`Set ${mode} packet forwarding mode\n`);
    expect(await cli.say('start')).toContain(banner);
    await forwards();
    expect(await cli.say('stop')).toContain('Done.');
    cli.end();
    expect(await cli.exit).toBe(0);
  });

  it('counts bursts by size and wrong checksums, and sets TSO, GSO and GRO', async () => {
    cli = new Cli([...TWO, '--', '-i', '--forward-mode=csum', '--record-burst-stats']);
    await cli.say('port stop all');
    expect(await cli.say('tso set 800 0')).toBe('TSO segment size for non-tunneled packets is 800\n');
    expect(await cli.say('tso show 1')).toBe('TSO for non-tunneled packets is disabled\n');
    await cli.say('tunnel_tso set 800 0');
    await cli.complains("Error: port=0 don't support tunnel TSO offloads.\n");
    await cli.say('port start all');
    for (const line of ['set port 0 gso on', 'set gso segsz 500', 'set port 0 gro on', 'set gro flush 2'])
      expect(await cli.say(line)).toBe('');
    expect(await cli.say('show port 0 gso')).toMatch(/^Max GSO'd packet size: 500B\nSupported GSO types: /);
    await cli.say('start');
    await forwards();
    expect(await cli.say('show fwd stats all')).toMatch(
      / {2}RX-packets: .*\n {2}Bad-ipcsum: 0 {14}Bad-l4csum: 0 {13}Bad-outer-l4csum: 0 {13}\n {2}Bad-outer-ipcsum: 0 {13}\n {2}TX-packets: .*\n {2}RX-bursts : \d+ \[.*\]\n {2}TX-bursts : \d+ \[0% of 0 pkts \+ .*\]\n {2}-/,
    );
    expect(await cli.say('set record-burst-stats off')).toBe('');
    expect(await cli.say('stop')).not.toContain('bursts');
    cli.end();
    expect(await cli.exit).toBe(0);
  });

  it('prints packets, queues and offloads, and sets the MTU', async () => {
    cli = new Cli([...TWO, '--', '-i', '--burst=4']);
    await cli.say('set verbose 3');
    cli.write('start\n');
    await cli.until(
      /port 0\/queue 0: received \d packets\n {2}src=00:00:00:00:00:00 - dst=00:00:00:00:00:00 - pool=mb_pool_0 - type=0x0000 - length=64 - nb_segs=1 - sw ptype: L2_ETHER {2}- l2_len=14 - Receive queue=0x0\n {2}ol_flags: RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN RTE_MBUF_F_RX_OUTER_L4_CKSUM_UNKNOWN \n/,
    );
    await cli.until(/port 1\/queue 0: sent \d packets\n/);
    cli.write('stop\n');
    await cli.until('\nDone.\n');
    await cli.until(/testpmd> $/);
    expect(await cli.say('show rxq info 0 0')).toMatch(
      /Infos for port 0 , RX queue 0[\s\S]*Rx queue state: started\nNumber of RXDs: 512\n/,
    );
    expect(await cli.say('show port 0 tx_offload capabilities')).toContain(
      'Tx Offloading Capabilities of port 0 :\n  Per Queue :\n  Per Port  :',
    );
    expect(await cli.say('show port 0 rx_offload configuration')).toContain('  Queue[ 0] : SCATTER\n');
    expect(await cli.say('port config mtu 0 1400')).toBe('');
    expect(await cli.say('show port info 0')).toContain('MTU: 1400\n');
    expect(await cli.say('port config mtu 0 99999')).toBe('Bad arguments\n');
    cli.end();
    expect(await cli.exit).toBe(0);
  });

  it('runs a command file first and continues after errors in it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'testpmd-'));
    writeFileSync(join(folder, 'c'), '# comment\nset burst 4\nfoo\nset fwd rxonly\n');
    cli = new Cli([...TWO, '--', '-i', `--cmdline-file=${join(folder, 'c')}`]);
    await cli.until('testpmd> ');
    expect(cli.out).toContain(`CLI commands to be read from ${folder}/c\n`);
    expect(cli.out).toContain('set burst 4\nNumber of packets per burst set to 4\nfoo\nCommand not found\n');
    expect(cli.out).toContain(
      `Set rxonly packet forwarding mode\nFinished reading all CLI commands from ${folder}/c\n`,
    );
    rmSync(folder, { recursive: true });
  });

  describe('with command files', () => {
    let folder: string;
    const file = (name: string, ...lines: string[]) => {
      writeFileSync(join(folder, name), lines.map((line) => `${line}\n`).join(''));
      return join(folder, name);
    };
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'testpmd-'));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it('runs a file at the point where it is loaded', async () => {
      const inner = file('inner', 'set burst 5');
      const outer = file('outer', `load_echo ${inner}`, 'set burst 6');
      cli = new Cli([...TWO, '--', '-i']);
      expect(await cli.say(`load ${outer}`)).toBe(
        'set burst 5\nNumber of packets per burst set to 5\n' +
          `Finished reading all CLI commands from ${inner}\n` +
          `Number of packets per burst set to 6\nFinished reading all CLI commands from ${outer}\n`,
      );
    });

    it('regression: files that load each other end with one error line', async () => {
      const [a, b] = [join(folder, 'a'), join(folder, 'b')];
      file('a', `load ${b}`, `load ${b}`);
      file('b', `load ${a}`, `load ${a}`);
      cli = new Cli([...TWO, '--', '-i', `--cmdline-file=${a}`]);
      expect(await cli.say('set burst 5')).toBe('Number of packets per burst set to 5\n');
      await cli.complains('Failed to load');
      expect(cli.err.match(/^Failed to load .*$/gm)).toEqual([
        `Failed to load ${a}: command files are nested more than 16 deep; all of them are abandoned`,
      ]);
      expect(cli.out).not.toContain('Finished reading');
    });

    it.each(['SIGINT', 'SIGTERM'] as const)('regression: %s interrupts a long file', async (signal) => {
      const long = file('long', ...Array.from({ length: 40_000 }, () => 'show port info 0'));
      cli = new Cli([...TWO, '--', '-i', `--cmdline-file=${long}`]);
      await cli.until('Infos for port 0');
      cli.kill(signal);
      expect(await cli.exit).toBe(0);
      expect(cli.out).not.toContain('Finished reading');
      expect(cli.out.endsWith('\nBye...\n')).toBe(true);
    });

    it('regression: neither a pipe without a writer nor an endless device blocks the prompt', async () => {
      execFileSync('mkfifo', [join(folder, 'pipe')]);
      cli = new Cli([...TWO, '--', '-i', '--cmdline-file=/dev/zero']);
      await cli.say('set burst 5');
      await cli.complains('context: /dev/zero (it is neither a regular file nor a pipe)\n');
      cli.write(`load ${join(folder, 'pipe')}\nset burst 6\n`);
      await cli.until(`load ${join(folder, 'pipe')}\n`);
      cli.kill('SIGTERM');
      expect(await cli.exit).toBe(0);
      expect(cli.out).not.toContain('set to 6');
    });

    it('regression: an endless line on the pipe is refused', async () => {
      cli = new Cli([...TWO, '--', '-i']);
      await cli.until('testpmd> ');
      cli.write(`${'x'.repeat(1 << 20)}\nset burst 5\n`);
      await cli.until('Bad arguments: a line of more than 4096 characters\ntestpmd> set burst 5\nNumber of');
    });
  });

  it('shuts down in order on SIGINT, even during startup', async () => {
    for (const moment of ['Interactive-mode selected', 'testpmd> ']) {
      cli = new Cli([...TWO, '--', '-ia']);
      await cli.until(moment);
      cli.kill('SIGINT');
      expect(await cli.exit).toBe(0);
      expect(cli.err).toContain('\nSignal 2 received, preparing to exit...\n');
      expect(cli.out.endsWith('\nBye...\n')).toBe(true);
    }
  });
});

/** testpmd on a terminal of its own; it reads what is written to `stdin`. */
const onTerminal = (...args: readonly string[]) => onPty(process.execPath, ...program, ...args);

let pty: ChildProcess | undefined;
afterEach(() => pty?.kill('SIGKILL'));

/** Killed after the test, what runs on the terminal loses it, and ends. */
function onPty(...command: readonly string[]) {
  const spawnOnPty = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';
  const child = fed(spawn('python3', ['-c', spawnOnPty, ...command], { stdio: ['pipe', 'pipe', 'inherit'] }));
  pty = child;
  const terminal = {
    out: '',
    stdin: child.stdin,
    exit: new Promise((resolve) => child.once('close', resolve)),
  };
  child.stdout.on('data', (data) => {
    terminal.out += data;
  });
  return terminal;
}

it.skipIf(programMissing('python3', 'python3', 'test of a terminal'))(
  'regression: <TAB> adds a blank after a word, and offers the options at the first stroke where there are several',
  async () => {
    const terminal = onTerminal(LCORES, '--vdev', 'net_null0', '--', '-i');
    await until('there is a prompt', () => terminal.out.includes('testpmd> '));
    const type = async (keys: string, echo: string) => {
      terminal.stdin.write(keys);
      await until(`'${echo}' is shown`, () => terminal.out.endsWith(echo));
    };
    await type('sho', 'sho');
    await type('\t', 'show ');
    await type('con', 'show con');
    await type('\t', 'show config ');
    await type('cor', 'show config cor');
    await type('\t', 'show config cores ');
    terminal.stdin.write('\r');
    await until('the command has run', () => terminal.out.includes('List of forwarding lcores:  1'));
    await type('st', 'st');
    terminal.stdin.write('\t');
    await until('there are two options', () =>
      terminal.out.includes(' stop [Fixed STRING]: stop: Stop packet forwarding and show its statistics.\r'),
    );
    await type('a', 'a');
    await type('\t', 'art ');
    terminal.stdin.write('\r');
    await until('forwarding starts', () => terminal.out.includes('io packet forwarding - ports=1'));
    terminal.stdin.write('quit\r');
    expect(await terminal.exit).toBe(0);
  },
);

it.skipIf(programMissing('python3', 'python3', 'test of a terminal'))(
  'regression: what is typed ahead is echoed line by line, and ^C cancels a line while forwarding goes on',
  async () => {
    const terminal = onTerminal(LCORES, '--vdev', 'net_null0', '--', '-i');
    await until('there is a prompt', () => terminal.out.endsWith('testpmd> '));
    // What DPDK's test suite sends, and what it waits for: a line whose end is the prompt.
    terminal.stdin.write('show config cores\n\n');
    await until('there is an empty line', () =>
      terminal.out.endsWith(
        'testpmd> show config cores\r\r\nList of forwarding lcores:  1\r\ntestpmd> \r\r\ntestpmd> ',
      ),
    );
    terminal.stdin.write('start\nset burst 5\n');
    await until('both have run', () =>
      terminal.out.endsWith('testpmd> set burst 5\r\r\nNumber of packets per burst set to 5\r\ntestpmd> '),
    );
    terminal.stdin.write('qui\x03');
    await until('the line is cancelled', () => terminal.out.endsWith('testpmd> qui\r\r\ntestpmd> '));
    terminal.stdin.write('stop\n');
    await until('forwarding ends', () => terminal.out.endsWith('\r\nDone.\r\ntestpmd> '));
    terminal.stdin.write('\x04');
    expect(await terminal.exit).toBe(0);
    expect(terminal.out).not.toContain('\x1b');
  },
);

const IN_SHELL = [process.execPath, ...program, LCORES, '--vdev', 'net_null0', '--', '-i']
  .map((word) => `'${word}'`)
  .join(' ');

it.skipIf(programMissing('python3', 'python3', 'test of a terminal'))(
  'gets its prompt when nobody reads its errors',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'unread-'));
    const fifo = join(folder, 'errors');
    execFileSync('mkfifo', [fifo]);
    // Keeps it open, and reads nothing.
    const held = openSync(fifo, constants.O_RDWR);
    const terminal = onPty('sh', '-c', `{ head -c 65536 /dev/zero >&2; ${IN_SHELL}; } 2> '${fifo}'`);
    await until('there is a prompt', () => terminal.out.endsWith('testpmd> '));
    terminal.stdin.write('stop\n');
    await until('there is another', () => terminal.out.endsWith('testpmd> stop\r\r\ntestpmd> '));
    terminal.stdin.write('quit\n');
    expect(await terminal.exit).toBe(0);
    closeSync(held);
    rmSync(folder, { recursive: true });
  },
);

it.skipIf(programMissing('python3', 'python3', 'test of a terminal'))(
  'regression: a line typed on a terminal is echoed once where the output goes through a pipe',
  async () => {
    const terminal = onPty('sh', '-c', `${IN_SHELL} 2>&1 | cat`);
    await until('there is a prompt', () => terminal.out.endsWith('testpmd> '));
    terminal.stdin.write('show con\tcor\t\n');
    await until('it has run', () => /cores: {2}1\s+testpmd> $/.test(terminal.out));
    expect(terminal.out.match(/show config cores/g)).toHaveLength(1);
    terminal.stdin.write('quit\n');
    expect(await terminal.exit).toBe(0);
  },
);

describe('a device that accepts the connection and never answers', () => {
  let folder: string;
  let path: string;
  let server: Server;
  let connected: Promise<void>;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'silent-'));
    path = join(folder, 'vfio.sock');
    server = createServer((socket) => socket.on('error', () => {}));
    connected = new Promise((resolve) => server.once('connection', () => resolve()));
    await new Promise<void>((resolve) => server.listen(path, resolve));
  });
  afterEach(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'regression: does not keep %s from ending the program at its start',
    async (signal) => {
      const cli = new Cli([
        LCORES,
        '--vdev',
        'net_null0',
        '--vdev',
        `net_vhost_pci0,path=${path}`,
        '--',
        '-i',
      ]);
      await connected;
      cli.kill(signal);
      expect(await cli.exit).toBe(0);
      expect(cli.err).toContain('a signal arrived while waiting for its reply');
      expect(cli.err).not.toContain('did not answer');
      expect(cli.err).toContain('preparing to exit');
      expect(cli.out).toContain('Port 0 is closed');
      expect(cli.out).toContain('Bye...');
    },
  );

  it('regression: says why the start failed before it says Bye', async () => {
    const command = [
      process.execPath,
      ...program,
      LCORES,
      '--vdev',
      `net_vhost_pci0,path=${path}`,
      '--',
      '-i',
    ];
    // One stream for both, as on a terminal.
    const child = spawn('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...command], { stdio: 'pipe' });
    let out = '';
    child.stdout.on('data', (data) => {
      out += data;
    });
    const exit = new Promise((resolve) => child.once('close', resolve));
    await connected;
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(out).toMatch(/preparing to exit\.\.\.\nvhost-pci-testpmd: Failed to open [^\n]*\n\nBye\.\.\.\n$/);
  });

  it('regression: lets a signal end port attach', async () => {
    const cli = new Cli([LCORES, '--vdev', 'net_null0', '--', '-i']);
    await cli.until(/testpmd> $/);
    cli.write(`port attach net_vhost_pci0,path=${path}\n`);
    await connected;
    cli.kill('SIGTERM');
    expect(await cli.exit).toBe(0);
    expect(cli.err).toMatch(/Failed to attach port .*: a signal arrived/);
    expect(cli.out).toContain('Bye...');
  });

  it.skipIf(programMissing('python3', 'python3', 'test of a terminal'))(
    'regression: does not keep ^C at a terminal from it',
    async () => {
      const terminal = onTerminal(LCORES, '--vdev', 'net_null0', '--', '-i');
      await until('there is a prompt', () => terminal.out.includes('testpmd> '));
      terminal.stdin.write(`port attach net_vhost_pci0,path=${path}\r`);
      await connected;
      terminal.stdin.write('\x03');
      expect(await terminal.exit).toBe(0);
      expect(terminal.out).toMatch(/Failed to attach port .*: a signal arrived/);
      expect(terminal.out).toContain('Bye...');
    },
  );
});

describe('without a prompt', () => {
  it('forwards until Enter', async () => {
    cli = new Cli([...TWO, '--', '--forward-mode=txonly', '--tx-first']);
    await cli.until('Press enter to exit\n');
    expect(cli.out).toContain('Port 0 Link up at 10 Gbps FDX Fixed\n');
    expect(cli.out).toContain(
      'No commandline core given, start packet forwarding\ntxonly packet forwarding - ports=2',
    );
    cli.write('\n');
    expect(await cli.exit).toBe(0);
    expect(cli.out).toContain('Telling cores to stop...');
  });

  it.each([64, 300])('regression: sends on %i queues from one lcore', async (queues) => {
    const vdev = `net_null0,queues=${queues}`;
    const counts = [`--rxq=${queues}`, `--txq=${queues}`];
    cli = new Cli([LCORES, '--vdev', vdev, '--', '-i', '--forward-mode=txonly', ...counts]);
    expect(await cli.say('start')).toContain(`forwards packets on ${queues} streams`);
    const busy = new RegExp(`tx_q${queues - 1}_packets: [1-9]`);
    for (let i = 0; i < 1000 && !busy.test(await cli.say('show port xstats 0')); i++);
    expect(await cli.say('show port xstats 0')).toMatch(busy);
    expect(await cli.say('stop')).toContain('Done.');
    cli.write('quit\n');
    expect(await cli.exit).toBe(0);
  });

  it('shows statistics until SIGTERM', async () => {
    cli = new Cli([...TWO, '--', '--stats-period=1']);
    await cli.until('\x1b[2J\x1b[1;1H\nPort statistics ====================================\n  ####');
    await cli.until(/Rx-pps: +[1-9]/);
    cli.kill('SIGTERM');
    expect(await cli.exit).toBe(0);
    expect(cli.err).toContain('Signal 15 received');
    expect(cli.out).toMatch(/Accumulated forward[\s\S]*RX-packets: [1-9]/);
  });

  it('needs a port', async () => {
    cli = new Cli([LCORES, '--']);
    expect(await cli.exit).toBe(1);
    expect(cli.err).toContain('vhost-pci-testpmd: no ports; specify --vdev');
  });
});

describe('a wrong command line', () => {
  it.each([
    [['--foo'], 2, "vhost-pci-testpmd: unknown option '--foo', see --help: EAL options go before --,"],
    [['--', '--forwad-mode=io'], 2, "'--forwad-mode': did you mean --forward-mode?\n"],
    [['--forwad-mode=io'], 2, 'did you mean --forward-mode? It belongs after --, as in: [EAL options] --'],
    [['-a', '0:4.0', '--', '-i'], 2, "'0:4.0' is not a PCI address such as 0000:00:04.0"],
    [['-a', 'ffff:00:04.0', '--', '-i'], 1, 'Failed to open ffff:00:04.0: there is no such PCI function'],
    [[LCORES, '--', '--nb-cores=2'], 2, 'nb-cores should be > 0 and <= 1'],
    // regression: missing ports were silently ignored
    [[...TWO, '--', '-i', '--portlist=0,7'], 2, 'there is no port 7 (number of ports: 2)'],
    [[...TWO, '--', '-i', '--portmask=0x8'], 2, 'there is no port 3 (number of ports: 2)'],
    [[...TWO, '--', '-i', '--nb-ports=3'], 2, 'nb-ports should be > 0 and <= 2'],
    [[LCORES, '--vdev', 'net_foo0', '--', '-i'], 1, "no driver 'net_foo'"],
    [[LCORES, '--vdev', 'net_null0,foo=1', '--', '-i'], 1, "unknown key 'foo'"],
    [
      [LCORES, '--vdev', 'net_null0,queues=1', '--', '-i', '--rxq=2'],
      1,
      '2 RX queues requested, the device has 1',
    ],
    [[LCORES, '--vdev', 'net_vhost_pci0,path=/nonexistent.sock', '--', '-i'], 1, '/nonexistent.sock'],
  ])('%j ends with one line that names it', async (args, code, message) => {
    cli = new Cli(args as string[]);
    expect(await cli.exit).toBe(code);
    const lines = cli.err.split('\n').filter((line) => !/^(EAL|testpmd): |^$|^Warning!/.test(line));
    expect(lines.length).toBe(1);
    expect(cli.err).toContain(message);
  });

  it('--help is not an error', async () => {
    cli = new Cli(['--help']);
    expect(await cli.exit).toBe(0);
    expect(cli.out).toContain('Usage: vhost-pci-testpmd [EAL options] -- [testpmd options]');
  });
});
