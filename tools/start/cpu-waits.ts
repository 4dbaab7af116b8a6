// SPDX-License-Identifier: BSD-3-Clause
// Whether a poll loop had to wait for its CPU: a rate taken beside other work says little, and looks like a
// fault of ours.
import { readdirSync, readFileSync } from 'node:fs';

/** From this share of its time on, a wait shows in the rates. */
const TELLING = 0.03;

/** Nanoseconds that each thread ran, and waited for its CPU (proc_pid_schedstat). */
type Schedules = ReadonlyMap<string, readonly [ran: number, waited: number]>;

/** Looks at a process's busiest thread from construction on. */
export class CpuWaits {
  readonly #read: () => Schedules;
  readonly #before: Schedules;

  constructor(pid: number | undefined, read = () => schedulesOf(pid)) {
    this.#read = read;
    this.#before = read();
  }

  /** A line if it waited for long; none where the kernel does not tell. */
  lines(name: string, cpu: number): string[] {
    let busiest = { ran: 0, waited: 0 };
    for (const [thread, [ran, waited]] of this.#read()) {
      const [ranBefore, waitedBefore] = this.#before.get(thread) ?? [0, 0];
      if (ran - ranBefore <= busiest.ran) continue;
      busiest = { ran: ran - ranBefore, waited: waited - waitedBefore };
    }
    const share = busiest.waited / Math.max(1, busiest.ran + busiest.waited);
    if (share < TELLING) return [];
    return [
      `disturbed: ${name} waited ${Math.round(100 * share)} % of the time for CPU ${cpu}, where other work ran: the rates say little`,
    ];
  }
}

function schedulesOf(pid: number | undefined): Schedules {
  const schedules = new Map<string, readonly [number, number]>();
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      const [ran = 0, waited = 0] = text.split(' ').map(Number);
      schedules.set(thread, [ran, waited]);
    }
  } catch {
    // A thread has ended meanwhile, or the kernel has no such statistics.
  }
  return schedules;
}
