// SPDX-License-Identifier: BSD-3-Clause
// Random numbers that are the same in every run (xorshift32, G. Marsaglia 2003). Allocates nothing.

export class Random {
  readonly #state = new Int32Array(1);

  constructor(seed: number) {
    this.#state[0] = seed | 0 || 0x9e37_79b9;
  }

  /** HOT. A signed 32-bit number, never 0. */
  next(): number {
    let x = this.#state[0];
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state[0] = x;
    return x;
  }

  /** HOT. A whole number from 0 to `n` - 1, for n up to 2^32. */
  below(n: number): number {
    return Math.floor(((this.next() >>> 0) / 4_294_967_296) * n);
  }
}
