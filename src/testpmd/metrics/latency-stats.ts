// SPDX-License-Identifier: BSD-3-Clause
// What the lcores have measured for --latencystats, as one set of figures in nanoseconds.
import { LATENCY, LATENCY_WORDS } from '../fwd/latency.ts';

/** DPDK's names, in its order. */
export const LATENCY_NAMES = ['min_latency_ns', 'avg_latency_ns', 'max_latency_ns', 'jitter_ns'] as const;

export class LatencyStats {
  readonly #byLcore = new Map<number, Float64Array>();

  /** Where an lcore measures; its figures go on from run to run, as in DPDK. */
  memoryOf(lcore: number): SharedArrayBuffer {
    const known = this.#byLcore.get(lcore);
    if (known) return known.buffer as SharedArrayBuffer;
    const stats = new Float64Array(new SharedArrayBuffer(LATENCY_WORDS * Float64Array.BYTES_PER_ELEMENT));
    this.#byLcore.set(lcore, stats);
    return stats.buffer as SharedArrayBuffer;
  }

  /** In the order of LATENCY_NAMES; average and jitter weigh lcores by their packets. */
  nanoseconds(tickHz: number): number[] {
    const measured = [...this.#byLcore.values()].filter((stats) => stats[LATENCY.SAMPLES] > 0);
    if (measured.length === 0) return LATENCY_NAMES.map(() => 0);
    const samples = measured.reduce((sum, stats) => sum + stats[LATENCY.SAMPLES], 0);
    const mean = (what: number) =>
      measured.reduce((sum, stats) => sum + stats[what] * stats[LATENCY.SAMPLES], 0) / samples;
    return [
      Math.min(...measured.map((stats) => stats[LATENCY.MIN])),
      mean(LATENCY.AVERAGE),
      Math.max(...measured.map((stats) => stats[LATENCY.MAX])),
      mean(LATENCY.JITTER),
    ].map((ticks) => Math.floor((ticks * 1e9) / tickHz));
  }
}
