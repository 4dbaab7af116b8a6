// SPDX-License-Identifier: BSD-3-Clause
// The TSC without allocation: tscLap() gives small integers, whose sum is kept in a typed array.
import { native } from '../../../src/native.ts';

/** Where tscLap() saturates. */
const LONGEST_LAP = 0x7fff_ffff;

export class Clock {
  /** Index 0: ticks since restart(), at the last call of tick(). */
  readonly now = new Float64Array(1);
  #origin = 0;

  restart(): void {
    native.tscLap();
    this.#origin = native.rdtsc();
    this.now[0] = 0;
  }

  /** HOT. Reads the clock; returns the ticks since the last call. */
  tick(): number {
    const lap = native.tscLap();
    if (lap < LONGEST_LAP) this.now[0] += lap;
    else this.now[0] = native.rdtsc() - this.#origin;
    return lap;
  }
}
