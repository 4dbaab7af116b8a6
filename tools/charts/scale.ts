// SPDX-License-Identifier: BSD-3-Clause
// The scale of a chart's axis, in steps that one reads easily: 1, 2 or 5 times a power of ten.

export interface Scale {
  /** The value of the highest tick. */
  readonly top: number;
  /** From 0 to `top`, as text that is the value. */
  readonly ticks: readonly string[];
}

/** Steps of a scale, at most. */
const STEPS = 5;

/** The finest scale of at most five steps from zero to `most` or more. */
export function scaleFor(most: number): Scale {
  // A step of what is nearly nothing would be 0, and one of what is endless has no ticks.
  const reach = most > 1e-300 && Number.isFinite(most) ? most : 1;
  const step = roundStep(reach / STEPS);
  const count = Math.max(1, Math.ceil(reach / step - 1e-9));
  const at = (index: number): number => Number((index * step).toPrecision(12));
  return { top: at(count), ticks: Array.from({ length: count + 1 }, (_, index) => `${at(index)}`) };
}

/** The largest of any number of values, which an argument list would not hold; `least` if none is larger. */
export const largest = (values: readonly number[], least: number): number =>
  values.reduce((most, value) => Math.max(most, value), least);

function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10;
  return factor * power;
}
