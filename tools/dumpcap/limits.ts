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

/** Adds a condition to `limits`. */
export const limitParser = (limits: Limits) => (text: string) => {
  const name = NAMES.find((candidate) => text.startsWith(`${candidate}:`));
  if (name === undefined) throw new InvalidArgumentError(`Expected ${NAMES.join(':, ')}: and a number.`);
  limits[name] = PARSERS[name](text.slice(name.length + 1));
};

/** What has been written since a beginning. */
export interface Progress {
  readonly seconds: number;
  readonly bytes: number;
  readonly packets: number;
}

export function reached({ duration, filesize, packets }: Limits, progress: Progress): boolean {
  return (
    progress.seconds >= (duration ?? Number.POSITIVE_INFINITY) ||
    progress.bytes >= (filesize ?? Number.POSITIVE_INFINITY) * 1024 ||
    progress.packets >= (packets ?? Number.POSITIVE_INFINITY)
  );
}
