// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-testpmd on a terminal or a pipe that is not read: this holds its output while it lasts, and
// nothing else.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fed } from './support/fed.ts';
import { HeldOutput } from './support/held-output.ts';
import { nodeArguments } from './support/program.ts';
import { Stage } from './support/stage.ts';
import { until } from './support/wait.ts';

const MAIN = nodeArguments('src/testpmd/main.ts');
const TEST_MS = 180_000;
const BOUND_MS = 60_000;

let held: HeldOutput | null = null;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-held-'));
});
afterEach(async () => {
  await held?.stop();
  held = null;
  rmSync(folder, { recursive: true });
});

function testpmd(kind: 'terminal' | 'session' | 'pipe', ...args: string[]): HeldOutput {
  held = new HeldOutput(kind, [process.execPath, ...MAIN, '--no-huge', ...args]);
  return held;
}

/**
 * True while a thread of the process is held in write(2), system call 1 or 64, or waits in poll(2), 7 or 73;
 * idle threads are in neither.
 */
function writes(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).some((task) => {
    try {
      return /^(1|64|7|73) /.test(readFileSync(`/proc/${pid}/task/${task}/syscall`, 'utf8'));
    } catch {
      return false;
    }
  });
}

/**
 * True once the terminal at the process's stdin neither echoes nor edits lines: the prompt is active, read or
 * not.
 */
function isRaw(pid: number): boolean {
  const { stdout } = spawnSync('stty', ['-a', '-F', `/proc/${pid}/fd/0`], { encoding: 'utf8' });
  return / -icanon/.test(stdout);
}

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

async function isHeld(pid: number): Promise<void> {
  let since = Number.POSITIVE_INFINITY;
  await until(
    'nothing more fits',
    () => {
      since = writes(pid) ? Math.min(since, Date.now()) : Number.POSITIVE_INFINITY;
      return Date.now() - since > 500;
    },
    BOUND_MS,
  );
}

describe('while the output is not read', { timeout: TEST_MS }, () => {
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage();
  });
  afterEach(async () => {
    await held?.stop();
    await stage.close();
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'regression: statistics on a terminal hold neither control nor the end by %s',
    async (signal) => {
      await stage.startDevice();
      const silent = Array.from({ length: 20 }, (_, i) => `--vdev=net_null${i},no-rx=1`);
      const vdevs = [`--vdev=net_vhost_pci0,path=${stage.path('vfio.sock')}`, ...silent];
      const pmd = testpmd('terminal', ...vdevs, '--', '--forward-mode=txonly', '--stats-period=1');
      const pid = await pmd.pid();
      await isHeld(pid);
      // Link, memory and rings arrive as messages to the main thread.
      const peer = stage.startPeer('--mode=sink', '--stats-period=0.2', '--json');
      await until('frames come', () => /"rxPackets":[1-9]/.test(peer.output), BOUND_MS);
      await peer.kill('SIGINT');
      process.kill(pid, signal);
      await until('it ends', () => pmd.exit !== undefined, BOUND_MS);
      expect(pmd.exit).toBe(0);
    },
  );

  it.each(['quit', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'regression: a prompt with much output ends by %s',
    async (end) => {
      const pmd = testpmd('session', '--vdev=net_null0', '--', '-i', '-a');
      const pid = await pmd.pid();
      await until('the prompt is there', () => isRaw(pid), BOUND_MS);
      for (let i = 0; i < 60; i++) pmd.type('show port xstats all');
      await isHeld(pid);
      if (end === 'quit') pmd.type(end);
      else process.kill(pid, end);
      await until('it ends', () => pmd.exit !== undefined, BOUND_MS);
      expect(pmd.exit).toBe(0);
    },
  );

  it('regression: a prompt starts and ends while another program holds the terminal', async () => {
    const command = [process.execPath, ...MAIN, '--no-huge', '--vdev=net_null0', '--', '-i'];
    // The terminal is held as soon as the first line of dd does not fit.
    const shell = `dd if=/dev/zero bs=64k count=1000 & sleep 1; exec ${command.map((word) => `'${word}'`).join(' ')}`;
    held = new HeldOutput('session', ['sh', '-c', shell]);
    const pid = await held.pid();
    await until('the prompt is there', () => isRaw(pid), BOUND_MS);
    process.kill(pid, 'SIGTERM');
    await until('it ends', () => held?.exit !== undefined, BOUND_MS);
    expect(held.exit).toBe(0);
  });

  it('once it is read, the prompt echoes, answers and ends', async () => {
    const pmd = testpmd('terminal', '--vdev=net_null0', '--', '-i');
    await pmd.pid();
    pmd.read();
    await until('the prompt is there', () => pmd.output.includes('testpmd> '), BOUND_MS);
    pmd.type('set burst 5');
    await until('it answers', () => /testpmd> .*\r?\n?.*set to 5\r?\n/s.test(pmd.output), BOUND_MS);
    pmd.type('quit');
    await until('it ends', () => pmd.exit !== undefined, BOUND_MS);
    expect(pmd.exit).toBe(0);
    expect(pmd.output).toMatch(/Bye\.\.\.\r?\n/);
  });
});

describe('to a slow reader', { timeout: TEST_MS }, () => {
  it('all output arrives in order, however long it is', async () => {
    const commands = join(folder, 'commands');
    const blocks = 4000;
    writeFileSync(
      commands,
      Array.from({ length: blocks }, (_, i) => `set burst ${1 + (i % 512)}\nshow port info 0\n`).join(''),
    );
    const pmd = testpmd('pipe', '--vdev=net_null0', '--', '-i', `--cmdline-file=${commands}`);
    await isHeld(await pmd.pid());
    pmd.read();
    await until('it ends', () => pmd.exit !== undefined, BOUND_MS);
    expect(pmd.exit).toBe(0);
    expect(pmd.output).not.toContain('lost here');
    expect(pmd.output.match(/Infos for port 0 /g)).toHaveLength(blocks);
    const bursts = [...pmd.output.matchAll(/burst set to (\d+)/g)].map(([, n]) => Number(n));
    expect(bursts).toEqual(Array.from({ length: blocks }, (_, i) => 1 + (i % 512)));
    expect(pmd.output.endsWith('\nBye...\n')).toBe(true);
  });

  it('the exit waits for the reader, and a signal ends that wait', async () => {
    const commands = join(folder, 'commands');
    writeFileSync(commands, 'help all\n'.repeat(60));
    for (const waits of [true, false]) {
      const pmd = testpmd('pipe', '--vdev=net_null0', '--', '-i', `--cmdline-file=${commands}`);
      const pid = await pmd.pid();
      await isHeld(pid);
      expect(pmd.exit).toBeUndefined();
      if (waits) pmd.read();
      else process.kill(pid, 'SIGTERM');
      await until('it ends', () => pmd.exit !== undefined, BOUND_MS);
      expect([pmd.exit, pmd.output.endsWith('Bye...\n')]).toEqual([0, waits]);
      await pmd.stop();
    }
  });
});

/** A shell on a terminal, whose output is awaited piece by piece. */
class Shell {
  readonly #held: HeldOutput;
  readonly #command = [process.execPath, ...MAIN].map((word) => `'${word}'`).join(' ');
  #seen = 0;

  constructor() {
    this.#held = new HeldOutput('session', ['bash', '--norc', '-i']);
    held = this.#held;
    this.#held.read();
    this.type("PS1='shell''> '");
  }

  type(line: string): void {
    this.#held.type(line);
  }

  start(options: string): void {
    this.type(`${this.#command} --no-huge --vdev=net_null0 ${options}`);
  }

  /** Waits for output after everything awaited before. */
  async see(...texts: string[]): Promise<void> {
    for (const text of texts) {
      const found = () => this.#held.output.indexOf(text, this.#seen);
      await until(
        `there is ${text} after ${this.#held.output.slice(this.#seen)}`,
        () => found() >= 0,
        BOUND_MS,
      );
      this.#seen = found() + text.length;
    }
  }

  /** Its background job keeps running although input is available: it does not read the terminal. */
  async runsThough(): Promise<void> {
    this.type('sleep 1');
    this.type('jobs; echo "jobs" "shown"');
    await this.see('Running', 'jobs shown', 'shell> ');
  }

  /** The program that it runs, in the foreground or background. */
  async child(): Promise<number> {
    return childOf(await this.#held.pid());
  }

  async leave(): Promise<void> {
    this.type('exit');
    await until('the shell ends', () => this.#held.exit !== undefined, BOUND_MS);
  }
}

/**
 * Whether ^C at the terminal of this process raises a signal: in the shell's line editor it does, at the
 * prompt it does not.
 */
function hasInterrupt(pid: number): boolean {
  const { stdout } = spawnSync('stty', ['-a', '-F', `/proc/${pid}/fd/0`], { encoding: 'utf8' });
  return /(?<!-)\bisig\b/.test(stdout);
}

describe('a terminal that is closed', () => {
  it.each([
    ['at the prompt', 'testpmd> ', ['--', '-i']],
    ['while forwarding', 'NIC statistics', ['--', '--forward-mode=io', '--stats-period=1']],
  ])('regression: ends the program in order, %s', (_, mark, args) => {
    const ports = ['--no-huge', '--vdev', 'net_null0', '--vdev', 'net_null1'];
    const program = ['test/support/hung-up-terminal.py', mark, process.execPath, ...MAIN, ...ports, ...args];
    const { stdout, stderr } = spawnSync('python3', program, { encoding: 'utf8', timeout: TEST_MS });
    expect(stdout, stderr).toMatch(/^[01]\n$/);
  });
});

describe('at a shell with job control', { timeout: TEST_MS }, () => {
  it('regression: a prompt that was stopped comes back, twice', async () => {
    const shell = new Shell();
    shell.start('-- -i');
    for (let burst = 1; burst <= 2; burst++) {
      await shell.see('testpmd> ');
      shell.type(`set burst ${burst}`);
      await shell.see(`burst set to ${burst}`, 'testpmd> ');
      process.kill(await shell.child(), 'SIGTSTP');
      await shell.see('Stopped', 'shell> ');
      shell.type('fg');
    }
    await shell.see('testpmd> ');
    shell.type('quit');
    await shell.see('Bye...', 'shell> ');
    // A signal from outside also leaves the terminal as it was.
    shell.start('-- -i');
    await shell.see('testpmd> ');
    shell.type('load /dev/null');
    await shell.see('testpmd> ');
    process.kill(await shell.child(), 'SIGHUP');
    await shell.see('Signal 1 received', 'Bye...', 'shell> ');
    shell.type('stty -a');
    await shell.see(' icanon');
    await shell.leave();
  });

  it('regression: one that is started in the background leaves the terminal to the shell until fg', async () => {
    const shell = new Shell();
    shell.start('-- -i &');
    await shell.see('Done');
    await shell.runsThough();
    const pid = await shell.child();
    await until('the shell edits', () => isRaw(pid));
    expect(hasInterrupt(pid)).toBe(true);
    shell.type('fg');
    await shell.see('-- -i', 'testpmd> ');
    await until('the prompt edits', () => isRaw(pid) && !hasInterrupt(pid), BOUND_MS);
    shell.type('set burst 7');
    await shell.see('burst set to 7', 'testpmd> ');
    shell.type('quit');
    await shell.see('Bye...', 'shell> ');
    shell.type('stty -a');
    await shell.see('icrnl', ' icanon', 'shell> ');
    await shell.leave();
  });

  it.each(['-- -i', ''])(
    'regression: a signal ends one in the background that was started with "%s"',
    async (options) => {
      const shell = new Shell();
      shell.start(`${options} &`);
      await shell.see('Done');
      shell.type('jobs');
      await shell.see('Running', 'shell> ');
      shell.type('kill %1');
      await shell.see('Signal 15 received', 'Bye...');
      await shell.leave();
    },
  );

  it('^Z does nothing: packets go on, and the line too', async () => {
    const shell = new Shell();
    shell.start('-- -i');
    await shell.see('testpmd> ');
    shell.type('set \x1aburst 9\x1a');
    await shell.see('set burst 9', 'burst set to 9', 'testpmd> ');
    shell.type('quit');
    await shell.see('Bye...', 'shell> ');
    await shell.leave();
  });
});

describe('on a full disk', { timeout: TEST_MS }, () => {
  it('regression: output is lost, stderr and the exit status report it, and packets keep flowing', async () => {
    const command = [
      process.execPath,
      ...MAIN,
      '--no-huge',
      '--vdev=net_null0',
      '--vdev=net_null1',
      '--',
      '-i',
      '-a',
    ];
    const full = openSync('/dev/full', 'w');
    const child = fed(spawn(command[0] as string, command.slice(1), { stdio: ['pipe', full, 'pipe'] }));
    closeSync(full);
    let stderr = '';
    child.stderr?.on('data', (data) => {
      stderr += data;
    });
    await until('it says so', () => stderr.includes('stdout: output is lost: ENOSPC'), BOUND_MS);
    child.stdin?.end('show port info all\nquit\n');
    await until('it ends', () => child.exitCode !== null, BOUND_MS);
    expect(child.exitCode).toBe(1);
    expect(stderr).toMatch(/^stdout: \d+ lines were lost$/m);
    expect(stderr.match(/output is lost/g)).toHaveLength(1);
  });
});
