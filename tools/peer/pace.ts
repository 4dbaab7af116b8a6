// SPDX-License-Identifier: BSD-3-Clause
// When frames are due at a fixed rate. The load is open: except for delay(), the due time of a frame depends
// only on its number, not on what happened to earlier frames, so a stall counts against every frame that
// should have been sent meanwhile (no coordinated omission).

export class Pace {
  #start: number;
  readonly #interval: number;

  /**
   * Frame 0 is due at `start`, and another one every `interval`, in the same unit. Throws RangeError unless
   * the interval is positive.
   */
  constructor(start: number, interval: number) {
    if (!(interval > 0)) throw new RangeError(`frames ${interval} apart`);
    this.#start = start;
    this.#interval = interval;
  }

  /** HOT. Number of frames due by `now`. */
  dueBy(now: number): number {
    return now < this.#start ? 0 : Math.floor((now - this.#start) / this.#interval) + 1;
  }

  /** Postpones all frames by `by`, including those already sent. */
  delay(by: number): void {
    this.#start += by;
  }

  /** HOT. The time at which frame `number` is due. */
  dueAt(number: number): number {
    return this.#start + number * this.#interval;
  }
}
