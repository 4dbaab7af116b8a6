// SPDX-License-Identifier: BSD-3-Clause
// Counters of the thread that sleeps on a receive queue, read by the main thread relative to a baseline.
import { RX_INTERRUPTS, RX_SLEEPS } from './port.ts';

const NAMES = [
  [RX_INTERRUPTS, 'interrupts'],
  [RX_SLEEPS, 'sleeps'],
] as const;

export class RxInterruptCounters {
  /** Backs RxInterrupt.counters, in any thread. */
  readonly shared = new SharedArrayBuffer(8 * NAMES.length);
  readonly #live = new Float64Array(this.shared);
  #baseline = [0, 0];

  clear(): void {
    this.#baseline = [...this.#live];
  }

  /** "rx_q0_interrupts", "rx_q0_sleeps". */
  xstats(queue: string): [string, number][] {
    return NAMES.map(([at, name]) => [`${queue}_${name}`, (this.#live[at] ?? 0) - (this.#baseline[at] ?? 0)]);
  }
}
