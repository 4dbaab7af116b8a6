// SPDX-License-Identifier: BSD-3-Clause
// The device model as a monitored process: its resource use, its log, and whether it is alive.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Holdings, holdings } from '../../support/holdings.ts';
import { ROOT } from '../../support/program.ts';

const DEVICE = join(ROOT, 'dist/tools/device/main.js');
const READY_MS = 60_000;
const MANY_DESCRIPTORS = 4096;
const TAIL_LINES = 40;
const MIB = 1 << 20;
/** A stack trace, or log text that only a bug of ours produces. */
const MISTAKE = /^\s+at .+:\d+|internal error|Uncaught|unhandled/i;

export interface Usage extends Holdings {
  /** CPU time of all threads so far, in milliseconds. */
  readonly cpuMs: number;
  /** Time for which its main thread was runnable but had no CPU. */
  readonly waitedMs: number;
  readonly residentMib: number;
  readonly sharedMib: number;
  readonly threads: number;
}

export class Subject {
  readonly #child: ChildProcess;
  #logBytes = 0;
  #lines: string[] = [];
  #unfinished = '';
  #mistake: string | null = null;
  #started = '';

  private constructor(program: string, args: readonly string[], maxDescriptors: number) {
    // Node raises the soft limit to the hard one, so both are set.
    const limited = ['-c', 'ulimit -n "$0" && exec "$@"', `${maxDescriptors}`, process.execPath, program];
    this.#child = spawn('/bin/sh', [...limited, ...args], {
      stdio: 'pipe',
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#started += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#take(text));
  }

  static async start(
    args: readonly string[],
    program = DEVICE,
    maxDescriptors = MANY_DESCRIPTORS,
  ): Promise<Subject> {
    const subject = new Subject(program, args, maxDescriptors);
    const end = Date.now() + READY_MS;
    while (!subject.#started.includes('ready')) {
      if (!subject.alive || Date.now() > end)
        throw new Error(`the device model does not start: ${subject.tail}`);
      await sleep(5);
    }
    return subject;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Exit code or signal. */
  get end(): string {
    const { exitCode, signalCode } = this.#child;
    return signalCode ? `signal ${signalCode}` : `exit code ${exitCode}`;
  }

  get logBytes(): number {
    return this.#logBytes;
  }

  /** The first line of its log that indicates a bug of ours. */
  get mistake(): string | null {
    return this.#mistake;
  }

  /** The last lines of its log. */
  get tail(): string {
    return this.#lines.slice(-TAIL_LINES).join('\n');
  }

  /** The capture of the last line of its log that matches. */
  lastLine(pattern: RegExp): string {
    return this.#lines.filter((line) => pattern.test(line)).at(-1) ?? '';
  }

  usage(): Usage {
    const folder = `/proc/${this.pid}`;
    const status = readFileSync(`${folder}/status`, 'utf8');
    const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    const threads = readdirSync(`${folder}/task`);
    return {
      cpuMs: threads.reduce((sum, thread) => sum + schedule(`${folder}/task/${thread}`).ranMs, 0),
      waitedMs: schedule(folder).waitedMs,
      residentMib: (kib('VmRSS') * 1024) / MIB,
      sharedMib: (kib('RssShmem') * 1024) / MIB,
      ...holdings(this.pid),
      threads: threads.length,
    };
  }

  /** Its descriptors, for a report. */
  descriptors(): string {
    const folder = `/proc/${this.pid}/fd`;
    const names = readdirSync(folder).map((fd) => `${fd} ${linkOf(join(folder, fd))}`);
    return names.join(', ');
  }

  /** Milliseconds until it ended after SIGTERM; killed, and null, after `boundMs`. */
  async terminate(boundMs: number): Promise<number | null> {
    if (!this.alive) return 0;
    const start = performance.now();
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const ended = await Promise.race([gone, sleep(boundMs, null, { ref: false })]);
    if (ended) return performance.now() - start;
    await this.kill();
    return null;
  }

  async kill(): Promise<void> {
    if (!this.alive) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #take(text: string): void {
    this.#logBytes += Buffer.byteLength(text);
    const lines = (this.#unfinished + text).split('\n');
    this.#unfinished = lines.pop() ?? '';
    this.#mistake ??= lines.find((line) => MISTAKE.test(line)) ?? null;
    this.#lines = [...this.#lines, ...lines].slice(-4 * TAIL_LINES);
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return 'gone';
  }
}

/** schedstat counts nanoseconds, stat only ticks of ten milliseconds. */
function schedule(task: string): { ranMs: number; waitedMs: number } {
  try {
    const [ran, waited] = readFileSync(`${task}/schedstat`, 'utf8').split(' ').map(Number);
    return { ranMs: (ran ?? 0) / 1e6, waitedMs: (waited ?? 0) / 1e6 };
  } catch {
    // The thread has exited.
    return { ranMs: 0, waitedMs: 0 };
  }
}
