// SPDX-License-Identifier: BSD-3-Clause
// How long a suite takes about, before anything of it has been measured.
import { SETTLE_SECONDS, type Settings, SLICE_SECONDS } from './settings.ts';

/** Both sides are started, warmed up and stopped in it, on a quiet machine. */
const START_AND_STOP_SECONDS = 6;

/** Of a case that makes so many comparisons: two sides that take turns. */
export function expectedSeconds(
  { rounds, seconds }: Pick<Settings, 'rounds' | 'seconds'>,
  comparisons = 1,
): number {
  const turns = 2 * seconds * (1 + SETTLE_SECONDS / SLICE_SECONDS);
  return comparisons * rounds * (START_AND_STOP_SECONDS + turns);
}

/** "45 s", "22 min". */
export const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
