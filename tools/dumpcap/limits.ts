// SPDX-License-Identifier: BSD-3-Clause
// Conditions such as "duration:5" and "filesize:1000", of -a and -b.
import { InvalidArgumentError } from '@commander-js/extra-typings';
import { seconds, wholeNumber } from '../run/arguments.ts';

export interface Limits {
  /** Seconds. */
  duration?: number;
  /** Of 1024 bytes, as DPDK's. */
  filesize?: number;
  packets?: number;
  files?: number;
}

const MOST = 2 ** 31;
const PARSERS: Readonly<Record<keyof Limits, (text: string) => number>> = {
  duration: seconds(MOST),
  filesize: wholeNumber(1, MOST),
  packets: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  files: wholeNumber(1, 100_000),
};
const NAMES = Object.keys(PARSERS) as (keyof Limits)[];

/** Adds a condition to `limits`; a second of its kind would undo the first. */
export const limitParser = (limits: Limits) => (text: string) => {
  const name = NAMES.find((candidate) => text.startsWith(`${candidate}:`));
  if (name === undefined) throw new InvalidArgumentError(`Expected ${NAMES.join(':, ')}: and a number.`);
  const value = PARSERS[name](text.slice(name.length + 1));
  if (limits[name] !== undefined)
    throw new InvalidArgumentError(`It was given as '${name}:${limits[name]}' already.`);
  limits[name] = value;
};

/** Whether `count` has come to `limit`, if there is one. */
export const reached = (limit: number | undefined, count: number): boolean =>
  limit !== undefined && count >= limit;

/** The same of bytes and a limit of 1024 of them. */
export const filled = (kilobytes: number | undefined, bytes: number): boolean =>
  kilobytes !== undefined && bytes >= kilobytes * 1024;

/** Whether `limit` seconds have gone by since `began`; the clock is read only if there is a limit. */
export const elapsed = (limit: number | undefined, began: number): boolean =>
  limit !== undefined && (performance.now() - began) / 1000 >= limit;

/** Whether one file follows another. */
export const rotates = ({ duration, filesize, packets }: Limits): boolean =>
  (duration ?? filesize ?? packets) !== undefined;
