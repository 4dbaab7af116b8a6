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
  const step = most > 0 && Number.isFinite(most) ? roundStep(most / STEPS) : 1 / STEPS;
  const count = Math.max(1, Math.ceil(most / step - 1e-9) || STEPS);
  const at = (index: number): number => Number((index * step).toPrecision(12));
  return { top: at(count), ticks: Array.from({ length: count + 1 }, (_, index) => `${at(index)}`) };
}

function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10;
  return factor * power;
}
