// SPDX-License-Identifier: BSD-3-Clause
// Whether a poll loop had its CPU for itself: a figure that was taken while another process had part of it is no figure.
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Below this share of its CPU, a loop was disturbed; the kernel's own work takes less. */
export const QUIET_SHARE = 0.97;

/** Watches a process's threads from its own creation on. */
export class CpuMeter {
  readonly #threads: () => ReadonlyMap<string, number>;
  readonly #now: () => number;
  readonly #start: number;
  readonly #before: ReadonlyMap<string, number>;

  /** `threads`: nanoseconds on a CPU by thread; `now`: milliseconds. */
  constructor(pid: number, threads = () => threadNanoseconds(pid), now = () => performance.now()) {
    this.#threads = threads;
    this.#now = now;
    this.#start = now();
    this.#before = threads();
  }

  /** Of the busiest thread, 0 to 1; undefined where the kernel does not tell. */
  share(): number | undefined {
    const shares = this.#shares();
    return shares.length > 0 ? Math.min(1, Math.max(...shares)) : undefined;
  }

  /** Of all threads together, in CPUs; undefined where the kernel does not tell. */
  total(): number | undefined {
    const shares = this.#shares();
    return shares.length > 0 ? shares.reduce((sum, share) => sum + share, 0) : undefined;
  }

  #shares(): number[] {
    const elapsed = 1e6 * (this.#now() - this.#start);
    return [...this.#threads()].map(([thread, time]) => (time - (this.#before.get(thread) ?? 0)) / elapsed);
  }
}

/** Time on a CPU of each thread: the first number of its schedstat. */
function threadNanoseconds(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      times.set(thread, Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
    }
  } catch {
    // A thread ended meanwhile, or the kernel keeps no such account.
  }
  return times;
}

const QUIET_SAMPLE_MS = 300;
const QUIET_WAIT_MS = 3000;

/** Waits until the machine is idle, at most `boundMs` milliseconds: another process may be about to end. */
export async function waitForQuiet(boundMs = QUIET_WAIT_MS): Promise<void> {
  const end = performance.now() + boundMs;
  for (let idle = idleShare(); performance.now() < end; ) {
    await sleep(QUIET_SAMPLE_MS);
    if (idle() > 0.9) return;
    idle = idleShare();
  }
}

/** Starts a stretch of time; the function that it returns gives the share of it that all CPUs were idle. */
function idleShare(): () => number {
  const before = cpuTimes();
  return () => {
    const now = cpuTimes();
    return (now.idle - before.idle) / Math.max(1, now.all - before.all);
  };
}

/** Milliseconds of all CPUs since the machine's start. */
function cpuTimes(): { idle: number; all: number } {
  const sum = { idle: 0, all: 0 };
  for (const { times } of cpus()) {
    sum.idle += times.idle;
    sum.all += times.idle + times.user + times.nice + times.sys + times.irq;
  }
  return sum;
}
