// SPDX-License-Identifier: BSD-3-Clause
// Medians and paired ratios. Speeds of a shared machine drift by more than what is to be measured, so two sides are compared
// round by round, and it is the ratios that are summed up.

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The middle value, the mean of the two middle ones of an even number. Throws a RangeError without values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[(sorted.length - 1) >> 1];
  const high = sorted[sorted.length >> 1];
  if (low === undefined || high === undefined) throw new RangeError('the median of nothing');
  return (low + high) / 2;
}

/** Throws a RangeError without values. */
export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the mean of nothing');
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Of `ours[i] / theirs[i]`. Throws a RangeError when they are no pairs. */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): Spread {
  if (ours.length !== theirs.length) throw new RangeError(`${ours.length} and ${theirs.length} rounds`);
  return spread(ours.map((value, round) => value / (theirs[round] as number)));
}
