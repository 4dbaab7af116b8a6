// SPDX-License-Identifier: BSD-3-Clause
// Medians and paired ratios. The speed of a shared machine drifts by more than the differences to be
// measured, so two sides are compared round by round and the ratios are summarized.

import type { Spread } from '../../charts/bars.ts';

export type { Spread } from '../../charts/bars.ts';

/**
 * The middle value, or the mean of the two middle values if their number is even. Throws a RangeError without
 * values.
 */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[(sorted.length - 1) >> 1];
  const high = sorted[sorted.length >> 1];
  if (low === undefined || high === undefined) throw new RangeError('no values to take the median of');
  return (low + high) / 2;
}

/** Throws a RangeError without values. */
export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values to take the mean of');
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** The spread of `ours[i] / theirs[i]`. Throws a RangeError when the lengths differ. */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): Spread {
  if (ours.length !== theirs.length) throw new RangeError(`${ours.length} and ${theirs.length} rounds`);
  return spread(ours.map((value, round) => value / (theirs[round] as number)));
}
