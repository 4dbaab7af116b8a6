// SPDX-License-Identifier: BSD-3-Clause
// A machine busy with other work may give a side's loops no CPU for longer than a window lasts. That is not
// the side's fault, so it is measured again in a longer window; a side that does not work at all is given up
// after a minute or two.
import type { PmdError } from '../../src/errors.ts';

/** Total time in which new windows of a measurement may start; the last one may end later. */
export const TRAFFIC_BOUND_MS = 60_000;

/**
 * Calls `measure` with a window of `seconds`; doubles the window while it throws VPCI_NO_TRAFFIC and time
 * remains.
 */
export async function untilTraffic<T>(
  seconds: number,
  measure: (seconds: number) => Promise<T>,
  now: () => number = () => performance.now(),
): Promise<T> {
  const end = now() + TRAFFIC_BOUND_MS;
  for (let window = seconds; ; window *= 2) {
    try {
      return await measure(window);
    } catch (error) {
      if ((error as PmdError).code !== 'VPCI_NO_TRAFFIC' || now() >= end) throw error;
    }
  }
}
