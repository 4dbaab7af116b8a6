// SPDX-License-Identifier: BSD-3-Clause
// Judges the gaps between the frames of a stream: by how much the time from one to the next differs from the
// time between their due times.
import { bucketOf, HISTOGRAM_MAX } from './histogram.ts';

// Indices of `times`, in ticks.
/** When the last frame was due, and when it was sent; not numbers before the first. */
const LAST_DUE = 0;
const LAST_SENT = 1;

export class GapMeter {
  readonly #times = new Float64Array(2);
  readonly #counts: Float64Array;
  readonly #unitsPerTick: number;
  /** Bucket of the time between frames that are all the same time apart; -1 if they are not. */
  #spacing = -1;

  /** `counts` is a histogram. */
  constructor(counts: Float64Array, unitsPerTick: number) {
    this.#counts = counts;
    this.#unitsPerTick = unitsPerTick;
  }

  /** Begins anew; `spacing` is the ticks between frames that are all the same time apart, else 0. */
  begin(spacing: number): void {
    this.#times.fill(Number.NaN);
    this.#spacing = spacing > 0 ? this.#bucketOf(spacing) : -1;
  }

  /** Not a number before the first. */
  get lastDue(): number {
    return this.#times[LAST_DUE];
  }

  /** HOT. Frames that were due at `dues[from..to)` were sent at `now[0]`, together. */
  take(dues: Float64Array, from: number, to: number, now: Float64Array): void {
    this.#take(dues, from, now);
    if (this.#spacing < 0) {
      for (let i = from + 1; i < to; i++) this.#take(dues, i, now);
    } else if (to - from > 1) {
      // The error of each is the whole gap. It is counted at once: this is where the loop is late.
      this.#counts[this.#spacing] += to - from - 1;
      this.#times[LAST_DUE] = dues[to - 1];
    }
  }

  /** HOT. */
  #take(dues: Float64Array, i: number, now: Float64Array): void {
    const times = this.#times;
    const error = Math.abs(now[0] - times[LAST_SENT] - (dues[i] - times[LAST_DUE]));
    if (error >= 0) this.#counts[this.#bucketOf(error)]++;
    times[LAST_DUE] = dues[i];
    times[LAST_SENT] = now[0];
  }

  /** HOT. */
  #bucketOf(ticks: number): number {
    const units = ticks * this.#unitsPerTick;
    return bucketOf(units < HISTOGRAM_MAX ? units | 0 : HISTOGRAM_MAX);
  }
}
