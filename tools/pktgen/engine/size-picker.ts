// SPDX-License-Identifier: BSD-3-Clause
// The size of the next frame: one size, a mix whose pattern repeats, or a range. Allocates nothing.
import type { FramePlan } from '../plan/frame-plan.ts';
import { Random } from './random.ts';

export class SizePicker {
  /** The only size; 0 if there are several. */
  readonly single: number;
  readonly #sizes: Int32Array;
  readonly #values: number;
  readonly #from: number;
  readonly #step: number;
  readonly #isRandom: boolean;
  readonly #seed: number;
  #random: Random;
  #next = 0;

  constructor({ sizes, sizeRange }: Pick<FramePlan, 'sizes' | 'sizeRange'>, seed: number) {
    this.#sizes = Int32Array.from(sizes);
    this.#from = sizeRange?.from ?? 0;
    this.#step = sizeRange?.step ?? 0;
    this.#isRandom = sizeRange?.random ?? false;
    this.#values = sizeRange
      ? Math.floor((sizeRange.to - sizeRange.from) / sizeRange.step) + 1
      : sizes.length;
    this.single = sizeRange || sizes.some((size) => size !== sizes[0]) ? 0 : sizes[0];
    this.#seed = seed;
    this.#random = new Random(seed);
  }

  reset(): void {
    this.#next = 0;
    this.#random = new Random(this.#seed);
  }

  /** HOT. */
  next(): number {
    const index = this.#isRandom ? this.#random.below(this.#values) : this.#next;
    this.#next = this.#next + 1 < this.#values ? this.#next + 1 : 0;
    return this.#step > 0 ? this.#from + index * this.#step : this.#sizes[index];
  }
}
