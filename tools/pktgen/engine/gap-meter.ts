// SPDX-License-Identifier: BSD-3-Clause
// Judges the gaps between the frames of a stream: by how much the time from one to the next differs from the
// time between their due times. What the loop could not help is told apart by the loop's own clock
// (CpuWatch), not by the gap.
import { ticksOf } from '../../../src/lcore/ticks.ts';
import type { GapLog } from './gap-log.ts';
import { bucketOf, HISTOGRAM_MAX } from './histogram.ts';
import { G_AWAY_ENDED, G_GAPS_AWAY, G_GAPS_OFF, G_GAPS_OFF_AWAY } from './layout.ts';

// Indices of `times`, in ticks.
/** When the last frame was due, and when it was sent or came; not numbers before the first. */
const LAST_DUE = 0;
const LAST_AT = 1;
/** A loop that was away after this may have had the last frame, or this one, at the wrong time. */
const SINCE = 2;

/** A gap is right within so many microseconds, or within this share of it. */
export const NEAR_US = 5;
export const NEAR_SHARE = 0.01;

export class GapMeter {
  /** Ticks of NEAR_US. */
  readonly nearTicks = ticksOf(NEAR_US);
  readonly #times = new Float64Array(3);
  readonly #counts: Float64Array;
  readonly #global: Float64Array;
  readonly #unitsPerTick: number;
  readonly #log: GapLog | null;
  /** Bucket of the time between frames that are all the same time apart; -1 if they are not. */
  #spacing = -1;
  /** Whether frames so far apart are wrong when they are sent together. */
  #spacingOff = false;

  /** `counts` is a histogram, `global` has the counters of the loop. */
  constructor(counts: Float64Array, global: Float64Array, unitsPerTick: number, log: GapLog | null = null) {
    this.#counts = counts;
    this.#global = global;
    this.#unitsPerTick = unitsPerTick;
    this.#log = log;
  }

  /** Begins anew; `spacing` is the ticks between frames that are all the same time apart, else 0. */
  begin(spacing: number): void {
    this.#times.fill(Number.NaN);
    this.#spacing = spacing > 0 ? this.#bucketOf(spacing) : -1;
    this.#spacingOff = spacing > this.nearTicks;
    this.#log?.begin();
  }

  /** What is due from now on is due so many ticks later; the gap before it is judged by what it was to be. */
  putOff(ticks: number): void {
    this.#times[LAST_DUE] += ticks;
  }

  /**
   * HOT. Frames that were due at `dues[from..to)` were sent at `now[0]`, together; `number` is that of the
   * first.
   */
  take(dues: Float64Array, from: number, to: number, now: Float64Array, number: number): void {
    const times = this.#times;
    this.#take(dues, from, now, number);
    times[SINCE] = dues[from];
    if (this.#spacing < 0) {
      for (let i = from + 1; i < to; i++) {
        this.#take(dues, i, now, number + i - from);
        times[SINCE] = dues[i];
      }
    } else if (to - from > 1) {
      // The error of each is the whole gap. It is counted at once: this is where the loop is late.
      this.#counts[this.#spacing] += to - from - 1;
      this.#judge(this.#spacingOff, to - from - 1);
      times[LAST_DUE] = times[SINCE] = dues[to - 1];
    }
  }

  /**
   * HOT. Packet `number`, which was to come at `dues[at]` on a clock of its own, came at `now[0]`, in a round
   * that began at `since[0]`.
   */
  arrived(dues: Float64Array, at: number, now: Float64Array, since: Float64Array, number: number): void {
    this.#take(dues, at, now, number);
    this.#times[SINCE] = since[0];
  }

  /** HOT. */
  #take(dues: Float64Array, i: number, now: Float64Array, number: number): void {
    const times = this.#times;
    const gap = dues[i] - times[LAST_DUE];
    const error = Math.abs(now[0] - times[LAST_AT] - gap);
    const away = this.#global[G_AWAY_ENDED] > times[SINCE];
    if (error >= 0) {
      this.#counts[this.#bucketOf(error)]++;
      this.#count(error > this.nearTicks && error > NEAR_SHARE * gap, away, 1);
    }
    if (this.#log !== null) this.#log.take(number, now, away);
    times[LAST_DUE] = dues[i];
    times[LAST_AT] = now[0];
  }

  /** HOT. Of `n` gaps since the last frame. */
  #judge(off: boolean, n: number): void {
    this.#count(off, this.#global[G_AWAY_ENDED] > this.#times[SINCE], n);
  }

  /** HOT. */
  #count(off: boolean, away: boolean, n: number): void {
    const global = this.#global;
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
