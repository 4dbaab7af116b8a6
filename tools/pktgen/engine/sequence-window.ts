// SPDX-License-Identifier: BSD-3-Clause
// Which numbers of a stream have come: tells an overtaken frame from a doubled one, for the last 65536
// numbers. Numbers are 32-bit and wrap. Allocates nothing.

const BITS = 1 << 16;
const WORDS = BITS >>> 5;

export class SequenceWindow {
  readonly #seen = new Int32Array(WORDS);
  /** One more than the highest number so far, as a signed 32-bit integer. */
  #next = 0;

  reset(): void {
    this.#seen.fill(0);
    this.#next = 0;
  }

  /**
   * HOT. Takes a number: 0 if it is higher than all before, 1 if one with a higher number came before it, -1
   * if it has come already. A number too old to be known counts as overtaken.
   */
  take(number: number): number {
    const ahead = (number - this.#next) | 0;
    const word = (number >>> 5) & (WORDS - 1);
    const bit = 1 << (number & 31);
    if (ahead >= 0) {
      if (ahead > 0 || (number & 31) === 0) this.#clear(number, ahead);
      this.#seen[word] |= bit;
      this.#next = (number + 1) | 0;
      return 0;
    }
    if (ahead < -BITS + 32) return 1;
    if ((this.#seen[word] & bit) !== 0) return -1;
    this.#seen[word] |= bit;
    return 1;
  }

  /** HOT. Clears the words that now stand for the numbers after the highest one up to `number`. */
  #clear(number: number, ahead: number): void {
    const first = (this.#next + 31) >> 5;
    const words = ahead >= BITS ? WORDS : ((number >> 5) - first + 1) | 0;
    for (let i = 0; i < words && i < WORDS; i++) this.#seen[((number >> 5) - i) & (WORDS - 1)] = 0;
  }
}
