// SPDX-License-Identifier: BSD-3-Clause
// Judges the gaps between the frames of a stream: by how much the time from one to the next differs from the
// time between their due times.
import { native } from '../../../src/native.ts';
import { bucketOf, HISTOGRAM_MAX } from './histogram.ts';
import { G_GAPS_AWAY, G_GAPS_OFF, G_GAPS_OFF_AWAY, G_STALL_ENDED } from './layout.ts';

// Indices of `times`, in ticks.
/** When the last frame was due, and when it was sent; not numbers before the first. */
const LAST_DUE = 0;
const LAST_SENT = 1;

/** A gap is right within so many microseconds, or within this share of it. */
export const NEAR_US = 5;
export const NEAR_SHARE = 0.01;

export class GapMeter {
  readonly #times = new Float64Array(2);
  readonly #counts: Float64Array;
  readonly #global: Float64Array;
  readonly #unitsPerTick: number;
  readonly #nearTicks = (NEAR_US * native.tscHz()) / 1e6;
  /** Bucket of the time between frames that are all the same time apart; -1 if they are not. */
  #spacing = -1;
  /** Whether frames so far apart are wrong when they are sent together. */
  #spacingOff = false;

  /** `counts` is a histogram, `global` has the counters of the loop. */
  constructor(counts: Float64Array, global: Float64Array, unitsPerTick: number) {
    this.#counts = counts;
    this.#global = global;
    this.#unitsPerTick = unitsPerTick;
  }

  /** Begins anew; `spacing` is the ticks between frames that are all the same time apart, else 0. */
  begin(spacing: number): void {
    this.#times.fill(Number.NaN);
    this.#spacing = spacing > 0 ? this.#bucketOf(spacing) : -1;
    this.#spacingOff = spacing > this.#nearTicks;
  }

  /** What is due from now on is due so many ticks later; the gap before it is judged by what it was to be. */
  putOff(ticks: number): void {
    this.#times[LAST_DUE] += ticks;
  }

  /** HOT. Frames that were due at `dues[from..to)` were sent at `now[0]`, together. */
  take(dues: Float64Array, from: number, to: number, now: Float64Array): void {
    this.#take(dues, from, now);
    if (this.#spacing < 0) {
      for (let i = from + 1; i < to; i++) this.#take(dues, i, now);
    } else if (to - from > 1) {
      // The error of each is the whole gap. It is counted at once: this is where the loop is late.
      this.#counts[this.#spacing] += to - from - 1;
      this.#judge(this.#spacingOff, to - from - 1);
      this.#times[LAST_DUE] = dues[to - 1];
    }
  }

  /** HOT. */
  #take(dues: Float64Array, i: number, now: Float64Array): void {
    const times = this.#times;
    const error = Math.abs(now[0] - times[LAST_SENT] - (dues[i] - times[LAST_DUE]));
    if (error >= 0) {
      this.#counts[this.#bucketOf(error)]++;
      const gap = dues[i] - times[LAST_DUE];
      this.#judge(error > this.#nearTicks && error > NEAR_SHARE * gap, 1);
    }
    times[LAST_DUE] = dues[i];
    times[LAST_SENT] = now[0];
  }

  /** HOT. Of `n` gaps since the last frame. The loop was away in them if a stall ended after that was due. */
  #judge(off: boolean, n: number): void {
    const global = this.#global;
    const away = global[G_STALL_ENDED] > this.#times[LAST_DUE];
    if (off) global[G_GAPS_OFF] += n;
    if (away) global[G_GAPS_AWAY] += n;
    if (off && away) global[G_GAPS_OFF_AWAY] += n;
  }

  /** HOT. */
  #bucketOf(ticks: number): number {
    const units = ticks * this.#unitsPerTick;
    return bucketOf(units < HISTOGRAM_MAX ? units | 0 : HISTOGRAM_MAX);
  }
}
