// SPDX-License-Identifier: BSD-3-Clause
// Whether a poll loop had its CPU to itself: a figure taken while another process ran there is worthless.
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Below this share of its CPU, a loop counts as disturbed; the kernel's own work takes less than the rest.
 */
export const QUIET_SHARE = 0.97;

/** Measures the CPU use of a process's threads from construction on. */
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

  /** The CPU share of the busiest thread, 0 to 1; undefined where the kernel does not report it. */
  share(): number | undefined {
    const shares = this.#shares();
    return shares.length > 0 ? Math.min(1, Math.max(...shares)) : undefined;
  }

  /** The CPU time of all threads together, in CPUs; undefined where the kernel does not report it. */
  total(): number | undefined {
    const shares = this.#shares();
    return shares.length > 0 ? shares.reduce((sum, share) => sum + share, 0) : undefined;
  }

  #shares(): number[] {
    const elapsed = 1e6 * (this.#now() - this.#start);
    return [...this.#threads()].map(([thread, time]) => (time - (this.#before.get(thread) ?? 0)) / elapsed);
  }
}

/** CPU time of each thread: the first number of its schedstat. */
function threadNanoseconds(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      times.set(thread, Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
    }
  } catch {
    // A thread has exited meanwhile, or the kernel has no schedstat.
  }
  return times;
}

const QUIET_SAMPLE_MS = 300;
const QUIET_WAIT_MS = 3000;

/** Waits until the machine is idle, at most `boundMs` milliseconds: another process may be about to exit. */
export async function waitForQuiet(boundMs = QUIET_WAIT_MS): Promise<void> {
  const end = performance.now() + boundMs;
  for (let idle = idleShare(); performance.now() < end; ) {
    await sleep(QUIET_SAMPLE_MS);
    if (idle() > 0.9) return;
    idle = idleShare();
  }
}

/** Starts an interval; the returned function gives the share of it that the CPUs were idle. */
function idleShare(): () => number {
  const before = cpuTimes();
  return () => {
    const now = cpuTimes();
    return (now.idle - before.idle) / Math.max(1, now.all - before.all);
  };
}

/** Milliseconds of all CPUs since boot. */
function cpuTimes(): { idle: number; all: number } {
  const sum = { idle: 0, all: 0 };
  for (const { times } of cpus()) {
    sum.idle += times.idle;
    sum.all += times.idle + times.user + times.nice + times.sys + times.irq;
  }
  return sum;
}
