// SPDX-License-Identifier: BSD-3-Clause
// How long a suite takes about, before anything of it has been measured.
import { SETTLE_SECONDS, type Settings, SLICE_SECONDS } from './settings.ts';

/** Seconds that a suite takes beside its turns, on a quiet machine. */
export interface Overhead {
  /** Before the first case. */
  readonly once?: number;
  /** For a case, whatever it compares. */
  readonly perCase?: number;
  /** Both sides are started, warmed up and stopped in it. */
  readonly perRound: number;
}

const USUAL: Overhead = { perRound: 6 };

/** Of one of so many cases, each of which makes so many comparisons: two sides that take turns. */
export function expectedSeconds(
  { rounds, seconds }: Pick<Settings, 'rounds' | 'seconds'>,
  { cases, comparisons = 1 }: { readonly cases: number; readonly comparisons?: number | undefined },
  { once = 0, perCase = 0, perRound }: Overhead = USUAL,
): number {
  const turns = 2 * seconds * (1 + SETTLE_SECONDS / SLICE_SECONDS);
  return once / Math.max(1, cases) + perCase + comparisons * rounds * (perRound + turns);
}

/** "45 s", "22 min". */
export const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
