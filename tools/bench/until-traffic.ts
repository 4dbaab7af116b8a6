// SPDX-License-Identifier: BSD-3-Clause
// A machine that is busy with other work may give a side's loops no CPU for longer than a window lasts. That is no fault of the side,
// so it is measured again, in a longer window; a side that does not work at all is given up after a minute or two.
import type { PmdError } from '../../src/errors.ts';

/** What the windows of a measurement may take in all; the last one may end later. */
export const TRAFFIC_BOUND_MS = 60_000;

/** `measure` in a window of so many seconds, which is doubled as long as it throws VPCI_NO_TRAFFIC and the time is not over. */
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
