// SPDX-License-Identifier: BSD-3-Clause
// Whether lines of statistics still say something. A back-end whose driver is gone keeps the connection, and
// its rings make no progress (docs/device-abi.md, SESSION): nothing else tells it from an idle one.
import type { PeerStats } from './stats.ts';

/** Periods, and seconds, without a frame after which nothing passes. */
const PERIODS = 3;
const SECONDS = 1;
/** One line of so many is shown then: whoever reads them may be gone, which only a line can tell. */
const RARELY = 60;

export class Stillness {
  #periods = 0;
  #seconds = 0;
  #everMoved = false;

  /**
   * After each period of `seconds`: whether its line is to be shown, and what to tell after it, which is once
   * each time.
   */
  take(
    now: PeerStats,
    before: PeerStats,
    seconds: number,
  ): { readonly shown: boolean; readonly told?: string } {
    if (now.txPackets !== before.txPackets || now.rxPackets !== before.rxPackets) {
      this.#everMoved = true;
      this.#periods = this.#seconds = 0;
      return { shown: true };
    }
    const wasStill = this.#isStill;
    this.#periods++;
    this.#seconds += seconds;
    if (wasStill || !this.#isStill) return { shown: !wasStill || this.#periods % RARELY === 0 };
    const since = this.#everMoved ? 'No frame passes any more' : 'No frame has passed yet';
    return {
      shown: true,
      told: `${since}: the driver at the other end is gone, stopped or idle; waiting for it, with few statistics until then`,
    };
  }

  get #isStill(): boolean {
    return this.#periods >= PERIODS && this.#seconds >= SECONDS;
  }
}
