// SPDX-License-Identifier: BSD-3-Clause
// Times of packets: 64-bit counts of a unit in the file, seconds and nanoseconds outside. A count of
// nanoseconds since 1970 has 61 bits, more than a number is exact to, and a BigInt for each packet is
// garbage; so the usual units are divided 16 bits at a time.

const NS = 1_000_000_000;
const WORD = 0x1_0000_0000;
const HALF = 0x1_0000;
/** Largest unit whose remainder, 16 bits shifted up, is an exact number. */
const MAX_EXACT_UNIT = 2 ** 37;

/** What a clock counts: `perSecond` units, from `offset` seconds after 1970. */
export interface Clock {
  readonly perSecond: number;
  readonly offset: number;
}

export interface Time {
  seconds: number;
  nanoseconds: number;
}

/** Stores the time that the count `high`:`low` of `clock` is. */
export function readTime(time: Time, high: number, low: number, { perSecond, offset }: Clock): void {
  if (perSecond > MAX_EXACT_UNIT) {
    readFineTime(time, high, low, BigInt(perSecond));
  } else {
    const middle = (high % perSecond) * HALF + (low >>> 16);
    const last = (middle % perSecond) * HALF + (low & 0xffff);
    time.seconds =
      Math.floor(high / perSecond) * WORD +
      Math.floor(middle / perSecond) * HALF +
      Math.floor(last / perSecond);
    time.nanoseconds = Math.floor(((last % perSecond) * NS) / perSecond);
  }
  time.seconds += offset;
}

function readFineTime(time: Time, high: number, low: number, perSecond: bigint): void {
  const count = (BigInt(high) << 32n) | BigInt(low);
  time.seconds = Number(count / perSecond);
  time.nanoseconds = Number(((count % perSecond) * BigInt(NS)) / perSecond);
}

/** `seconds` and `nanoseconds` as a count of nanoseconds: its upper 32 bits. */
export function highNanoseconds(seconds: number, nanoseconds: number): number {
  const upper = Math.floor(seconds / HALF) * NS;
  const lower = (seconds % HALF) * NS + nanoseconds;
  const carry = Math.floor(((upper % HALF) * HALF + (lower % WORD)) / WORD);
  return (Math.floor(upper / HALF) + Math.floor(lower / WORD) + carry) >>> 0;
}

/** The lower 32 bits of that count. */
export function lowNanoseconds(seconds: number, nanoseconds: number): number {
  const upper = Math.floor(seconds / HALF) * NS;
  const lower = (seconds % HALF) * NS + nanoseconds;
  return ((upper % HALF) * HALF + (lower % WORD)) >>> 0;
}
