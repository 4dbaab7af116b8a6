// SPDX-License-Identifier: BSD-3-Clause
// Rates as text: "1mpps", "10gbps" (bits of frames, layer 2), "10gbps-l1" (with what a wire adds), "50%" of
// the line, "50%max" of the measured maximum, "max".
import { fault, quoted } from './fault.ts';

export type Rate =
  | { readonly kind: 'pps'; readonly value: number }
  | { readonly kind: 'l2' | 'l1'; readonly value: number }
  /** Shares of 1. */
  | { readonly kind: 'line' | 'share'; readonly value: number }
  | { readonly kind: 'max' };

/** Preamble and start delimiter, frame check sequence, gap: bytes that each frame takes on a wire. */
export const L1_OVERHEAD = 24;

const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const PATTERN = /^(\d+(?:\.\d+)?|\.\d+)(?:([kmgt]?)(pps|bps|bps-l1|bps-l2)?|(%|%max|%line))$/i;
/** Above what Ethernet carries at 1.6 Tbit/s: larger is a slip of the pen. */
const MOST_FRAMES = [1e10, '10gpps'] as const;
const MOST_BITS = [1e13, '10tbps'] as const;
const MOST_SHARE = [10, '1000%'] as const;
const EXPECTED = 'a rate such as 1mpps, 500k, 10gbps, 10gbps-l1, 50% or max';

/** Throws VPCI_ARGUMENT; `what` names where the text is from. */
export function parseRate(text: string | number, what: string): Rate {
  if (text === 'max') return { kind: 'max' };
  const match = PATTERN.exec(String(text).trim());
  if (!match) throw fault(what, `${quoted(text)} is not ${EXPECTED}`);
  const [, number = '', factor = '', unit = 'pps', percent] = match;
  const value = (Number(number) * (FACTORS[factor.toLowerCase()] as number)) / (percent ? 100 : 1);
  if (!(value > 0)) throw fault(what, `${quoted(text)}: a rate must be above 0`);
  const [most, mostText] = percent ? MOST_SHARE : unit.toLowerCase() === 'pps' ? MOST_FRAMES : MOST_BITS;
  if (value > most) throw fault(what, `${quoted(text)}: no line carries more than ${mostText}; or take max`);
  if (percent !== undefined) return shareOf(percent.toLowerCase(), value);
  if (unit.toLowerCase() === 'pps') return { kind: 'pps', value };
  return { kind: unit.toLowerCase() === 'bps-l1' ? 'l1' : 'l2', value };
}

const LIMITS = { pps: MOST_FRAMES, bits: MOST_BITS, line: MOST_SHARE, share: MOST_SHARE } as const;

/**
 * Throws VPCI_ARGUMENT where rates of streams that are sent together come to more than one of them may have.
 */
export function requireCarried(rates: readonly Rate[], what: string): void {
  const sums = { pps: 0, bits: 0, line: 0, share: 0 };
  for (const rate of rates) {
    if (rate.kind === 'max') continue;
    const unit = rate.kind === 'l1' || rate.kind === 'l2' ? 'bits' : rate.kind;
    sums[unit] += rate.value;
    const [most, text] = LIMITS[unit];
    if (sums[unit] > most)
      throw fault(what, `the rates of all streams together: no line carries more than ${text}; or take max`);
  }
}

const shareOf = (unit: string, value: number): Rate => ({ kind: unit === '%max' ? 'share' : 'line', value });

export interface RateContext {
  /** Mean bytes of a frame. */
  readonly meanSize: number;
  /** Bits per second of the line, layer 1. */
  readonly line: number;
  /** Frames per second that were measured as the most; 0 when they were not. */
  readonly measured: number;
}

/** Frames per second; Infinity for "max". */
export function framesPerSecond(rate: Rate, { meanSize, line, measured }: RateContext): number {
  const ofWire = (bits: number) => bits / (8 * (meanSize + L1_OVERHEAD));
  switch (rate.kind) {
    case 'max':
      return Number.POSITIVE_INFINITY;
    case 'pps':
      return rate.value;
    case 'l2':
      return rate.value / (8 * meanSize);
    case 'l1':
      return ofWire(rate.value);
    case 'line':
      return rate.value * ofWire(line);
    case 'share':
      return rate.value * measured;
  }
}

/** Bits per second of a line: "10gbps". */
export function parseLine(text: string): number {
  const rate = parseRate(text, '--line-rate');
  if (rate.kind !== 'l2' && rate.kind !== 'l1')
    throw fault('--line-rate', `${quoted(text)} is not a speed such as 10gbps`);
  return rate.value;
}

/** "1.000 Mpps", "100.00 kpps", "0.001 pps". */
export function rateText(pps: number): string {
  // Each unit begins where the one below would be rounded up to it.
  if (pps >= 999_995) return `${(pps / 1e6).toFixed(3)} Mpps`;
  if (pps >= 999.95) return `${(pps / 1e3).toFixed(2)} kpps`;
  return `${pps >= 1 ? pps.toFixed(1) : Number(pps.toPrecision(2))} pps`;
}
