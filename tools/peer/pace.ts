// SPDX-License-Identifier: BSD-3-Clause
// When frames are due at a fixed rate. The load is open: but for delay(), when a frame is due follows from its number alone, whatever
// became of those before it, so that a stall counts against every frame that should have gone out meanwhile (no coordinated omission).

export class Pace {
  #start: number;
  readonly #interval: number;

  /** Frame 0 is due at `start`, and one more each `interval`, in the same unit. Throws a RangeError for no interval. */
  constructor(start: number, interval: number) {
    if (!(interval > 0)) throw new RangeError(`frames ${interval} apart`);
    this.#start = start;
    this.#interval = interval;
  }

  /** HOT. How many frames are due at `now`. */
  dueBy(now: number): number {
    return now < this.#start ? 0 : Math.floor((now - this.#start) / this.#interval) + 1;
  }

  /** All frames are due `by` later than they were, also those that went. */
  delay(by: number): void {
    this.#start += by;
  }

  /** HOT. When frame `number` is due. */
  dueAt(number: number): number {
    return this.#start + number * this.#interval;
  }
}
