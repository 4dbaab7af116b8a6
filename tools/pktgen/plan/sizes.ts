// SPDX-License-Identifier: BSD-3-Clause
// Frame sizes as text: "64", "64-1518" (step 1), "64-1518/64", "random:64-1518", "imix", "7:64,4:570,1:1518".
// Sizes are bytes without the frame check sequence, as everywhere in this project.
import { fault, quoted } from './fault.ts';

export interface SizePlan {
  /** A pattern that repeats. */
  readonly sizes: readonly number[];
  readonly sizeRange?: {
    readonly from: number;
    readonly to: number;
    readonly step: number;
    readonly random: boolean;
  };
}

export const LARGEST_FRAME = 9018;
/** The "simple IMIX" of RFC 6985 and most generators: 7 small, 4 middle, 1 large. */
export const IMIX = '7:64,4:570,1:1518';
export const IMIX_SMALLEST = 64;

/** The smallest frame that has room for the headers and the signature, and what takes the room. */
export interface Least {
  readonly bytes: number;
  /** "IPv6 and UDP" */
  readonly headers: string;
}

/** Throws VPCI_ARGUMENT. The small frames of `imix` are as large as the headers need. */
export function parseSizes(text: string | number, what: string, { bytes: least, headers }: Least): SizePlan {
  const given = String(text).trim();
  if (given === 'imix') return raised(mix(IMIX, what), least);
  const plan = range(given, what) ?? mix(given, what);
  for (const size of extremes(plan)) {
    if (size >= least && size <= LARGEST_FRAME) continue;
    const why = size < least ? `: ${headers}, with a number and a time, need ${least}` : '';
    throw fault(what, `${size} is not a size from ${least} to ${LARGEST_FRAME} bytes${why}`);
  }
  return plan;
}

const raised = ({ sizes }: SizePlan, least: number): SizePlan => ({
  sizes: sizes.map((size) => Math.max(size, least)),
});

/** Smallest and largest. */
export const extremes = ({ sizes, sizeRange }: SizePlan): [number, number] =>
  sizeRange ? [sizeRange.from, sizeRange.to] : [Math.min(...sizes), Math.max(...sizes)];

export function meanSize({ sizes, sizeRange }: SizePlan): number {
  if (!sizeRange) return sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  const { from, to, step } = sizeRange;
  return from + (Math.floor((to - from) / step) * step) / 2;
}

function range(text: string, what: string): SizePlan | undefined {
  const match = /^(random:)?(\d+)-(\d+)(?:\/(\d+))?$/.exec(text);
  if (!match) return undefined;
  const [from, to, step] = [Number(match[2]), Number(match[3]), Number(match[4] ?? 1)];
  if (from > to) throw fault(what, `${quoted(text)} runs backwards`);
  if (step === 0) throw fault(what, `${quoted(text)}: a step must be above 0`);
  return { sizes: [], sizeRange: { from, to, step, random: match[1] !== undefined } };
}

/** "WEIGHT:SIZE,…" or "SIZE,…", spread evenly over the pattern. */
function mix(text: string, what: string): SizePlan {
  const parts = text.split(',').map((part) => {
    const match = /^(?:(\d+):)?(\d+)$/.exec(part);
    const weight = Number(match?.[1] ?? 1);
    if (!match || weight < 1 || weight > 1000)
      throw fault(what, `${quoted(text)} is not a size such as 64, a range, 'imix' or a mix such as ${IMIX}`);
    return { weight, size: Number(match[2]) };
  });
  return { sizes: spread(parts) };
}

/** Each size as evenly as its weight allows: always the one that is furthest behind. */
function spread(parts: readonly { weight: number; size: number }[]): number[] {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const used = parts.map(() => 0);
  return Array.from({ length: total }, (_, i) => {
    const behind = parts.map(({ weight }, k) => (weight * (i + 1)) / total - (used[k] as number));
    const chosen = behind.indexOf(Math.max(...behind));
    used[chosen] = (used[chosen] as number) + 1;
    return (parts[chosen] as { size: number }).size;
  });
}
