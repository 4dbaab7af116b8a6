// SPDX-License-Identifier: BSD-3-Clause
// Threads, their CPUs, and time.

export interface ThreadCalls {
  /** Pins the calling thread. */
  setAffinity(cpus: readonly number[]): void;
  /**
   * Pins all existing threads of the process, V8's included; new threads inherit the affinity of their
   * creator.
   */
  setAffinityOfAll(cpus: readonly number[]): void;
  /** CPUs that the calling thread may run on. */
  getAffinity(): number[];
  /** Ends the process at once, whatever its threads are doing. */
  exitNow(code: number): never;
  /** Names the calling thread (15 bytes). */
  setThreadName(name: string): void;
  /** Time-stamp counter, as a double: exact up to 2^53. */
  rdtsc(): number;
  tscHz(): number;
  /**
   * HOT. Cycles since this thread's last call of tscLap, at most 2^31 - 1. Allocates nothing, unlike rdtsc.
   */
  tscLap(): number;
  /** HOT. Some nanoseconds of the time-stamp counter a tick, modulo 2^31. Allocates nothing, unlike rdtsc. */
  tscTick(): number;
  /** Ticks of tscTick per second. */
  tscTickHz(): number;
}
