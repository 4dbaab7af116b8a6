// SPDX-License-Identifier: BSD-3-Clause
// How many lines a port's link may print: a peer decides when it goes up and down, and must not fill a disk.

/** Lines at once; far more than a restart of the peer prints. */
const BURST = 30;
/** Milliseconds in which one more is allowed. */
export const REFILL_MS = 1000;

export class EventLimit {
  readonly #now: () => number;
  #left = BURST;
  #at: number;
  #held = 0;

  /** `now`: a clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#at = now();
  }

  /** How many were not printed since the last that was. */
  get held(): number {
    return this.#held;
  }

  /** Whether a line may be printed now. */
  get hasRoom(): boolean {
    const now = this.#now();
    const refill = Math.floor((now - this.#at) / REFILL_MS);
    this.#left = Math.min(BURST, this.#left + refill);
    this.#at += refill * REFILL_MS;
    return this.#left > 0;
  }

  /**
   * Null if no line may be printed now; it is counted. Otherwise the number of those that were not printed
   * since the last that was.
   */
  take(): number | null {
    if (!this.hasRoom) {
      this.#held++;
      return null;
    }
    this.#left--;
    const held = this.#held;
    this.#held = 0;
    return held;
  }
}
