// SPDX-License-Identifier: BSD-3-Clause
// A limit on how many frames an echoing peer sends back: the known capacity that tests of searches need. A
// bucket of tokens, one a frame, which fills at the rate and holds what a few milliseconds need, so that
// frames that a busy machine delays are not dropped. Allocates nothing.
import { native } from '../../src/native.ts';

/** Milliseconds of frames that the bucket holds. */
const DEPTH_MS = 5;
const LEAST_DEPTH = 64;

export class DropAbove {
  /** Index 0: tokens. */
  readonly #tokens = new Float64Array(1);
  readonly #perTick: number;
  readonly #depth: number;

  /** `rate` in frames per second. */
  constructor(rate: number, hz = native.tscHz()) {
    this.#perTick = rate / hz;
    this.#depth = Math.max(LEAST_DEPTH, (rate * DEPTH_MS) / 1000);
    native.tscLap();
  }

  /** HOT. How many of `wanted` frames may be sent back now, `ticks` after the last call. */
  allowed(wanted: number, ticks = native.tscLap()): number {
    const filled = this.#tokens[0] + ticks * this.#perTick;
    this.#tokens[0] = filled < this.#depth ? filled : this.#depth;
    return this.#tokens[0] < wanted ? Math.floor(this.#tokens[0]) : wanted;
  }

  /** HOT. Takes the tokens of frames that were sent back. */
  take(frames: number): void {
    this.#tokens[0] -= frames;
  }
}
