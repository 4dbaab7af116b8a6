// SPDX-License-Identifier: BSD-3-Clause
// What spoiled a run, in words: two poll loops on one CPU, other work there, a hypervisor that took time.
import { readdirSync, readFileSync } from 'node:fs';
import type { TrialResult } from './result.ts';
import { timesText } from './text.ts';

/** Shares from which on a run is said to be disturbed. */
const WAITED = 0.01;
const STOLEN = 0.01;
const STALLED = 0.001;

interface Times {
  /** Nanoseconds that the lcore's thread ran, and waited for its CPU. */
  readonly ran: number;
  readonly waited: number;
  /** Ticks of all CPUs, and those that the hypervisor took. */
  readonly all: number;
  readonly stolen: number;
}

export class DisturbanceMeter {
  readonly #thread: string;
  readonly #before: Times;

  constructor(lcore: number) {
    this.#thread = `vpci-lcore${lcore}\n`;
    this.#before = this.#read();
  }

  /** A line for each thing that disturbed the time since the meter was made. */
  lines(result: TrialResult, cpus: readonly [number, number | undefined]): string[] {
    const now = this.#read();
    const { count, longestUs, share } = result.stalls;
    const lines: string[] = [];
    if (cpus[0] === cpus[1])
      lines.push(`generator and peer share CPU ${cpus[0]}: they take turns, and the figures say little`);
    const waited = part(now.waited - this.#before.waited, now.ran - this.#before.ran);
    if (waited > WAITED)
      lines.push(
        `disturbed: the generator waited ${percent(waited)} of the time for CPU ${cpus[0]}, where other work ran`,
      );
    const stolen = (now.stolen - this.#before.stolen) / Math.max(1, now.all - this.#before.all);
    if (stolen > STOLEN)
      lines.push(`disturbed: the hypervisor took ${percent(stolen)} of the machine's time`);
    if (share > STALLED)
      lines.push(
        `disturbed: the loop was preempted ${timesText(count)} for 100 us or more, ${longText(longestUs)} at most`,
      );
    return lines;
  }

  #read(): Times {
    const [ran = 0, waited = 0] = this.#schedule();
    try {
      const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
      const fields = line.trim().split(/\s+/).slice(1).map(Number);
      const all = fields.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0);
      return { ran, waited, all, stolen: fields[7] ?? 0 };
    } catch {
      return { ran, waited, all: 0, stolen: 0 };
    }
  }

  /** Of the lcore's thread; proc_pid_schedstat. */
  #schedule(): number[] {
    const threads = '/proc/self/task';
    for (const thread of readdirSync(threads)) {
      try {
        if (readFileSync(`${threads}/${thread}/comm`, 'utf8') !== this.#thread) continue;
        return readFileSync(`${threads}/${thread}/schedstat`, 'utf8').split(' ').map(Number);
      } catch {
        // A thread that has ended, or a kernel without the statistics.
      }
    }
    return [];
  }
}

const part = (some: number, rest: number): number => (some + rest > 0 ? some / (some + rest) : 0);
const longText = (us: number): string =>
  us < 10_000 ? `${Math.round(us)} us` : `${Math.round(us / 1000)} ms`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
