// SPDX-License-Identifier: BSD-3-Clause
// Whether a poll loop has its CPU, by its own clock. Between two looks at it the loop does little: polls, and
// what the frames take that it handled. What took longer was an interrupt, another thread, or the host.
import { ticksOf } from '../../../src/lcore/ticks.ts';
import type { Clock } from './clock.ts';
import {
  G_AWAY_BEGAN,
  G_AWAY_ENDED,
  G_AWAYS,
  G_LONGEST_STALL,
  G_NOW,
  G_STALL_TICKS,
  G_STALLS,
} from './layout.ts';

/**
 * Microseconds from which on a loop was away from its CPU: without work, more for each frame, and in any
 * case.
 */
export const AWAY_US = 3;
export const FRAME_US = 2;
export const STALL_US = 100;

export class CpuWatch {
  readonly #clock: Clock;
  readonly #global: Float64Array;
  readonly #awayTicks: number;
  readonly #frameTicks: number;
  readonly #stallTicks: number;

  /** `global` has the counters of the loop. */
  constructor(clock: Clock, global: Float64Array, hz?: number) {
    this.#clock = clock;
    this.#global = global;
    this.#awayTicks = ticksOf(AWAY_US, hz);
    this.#frameTicks = ticksOf(FRAME_US, hz);
    this.#stallTicks = ticksOf(STALL_US, hz);
  }

  /** HOT. Reads the clock; `frames` were sent or received since the last time. */
  tick(frames: number): void {
    this.#clock.tick();
    const global = this.#global;
    const began = global[G_NOW];
    const now = this.#clock.now[0];
    const lap = now - began;
    global[G_NOW] = now;
    if (lap < this.#awayTicks) return;
    if (lap < this.#stallTicks && lap < this.#awayTicks + frames * this.#frameTicks) return;
    // Where it was away twice in a row, that is once: whoever looks at it each round sees the whole.
    if (began !== global[G_AWAY_ENDED]) global[G_AWAY_BEGAN] = began;
    global[G_AWAY_ENDED] = now;
    global[G_AWAYS]++;
    if (lap < this.#stallTicks) return;
    global[G_STALLS]++;
    global[G_STALL_TICKS] += lap;
    if (lap > global[G_LONGEST_STALL]) global[G_LONGEST_STALL] = lap;
  }
}
