// SPDX-License-Identifier: BSD-3-Clause
// Option value parsers for the command lines of tools/.
import { InvalidArgumentError } from '@commander-js/extra-typings';
import { native } from '../../src/native.ts';

const DECIMAL = /^\d+$/;
const DECIMAL_OR_HEX = /^(\d+|0x[0-9a-f]+)$/i;
const FRACTION = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const numberIn = (least: number, most: number, pattern: RegExp) => (text: string) => {
  const value = Number(text);
  if (!pattern.test(text) || value < least || value > most)
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  return value;
};

/** A whole number in [least, most]. */
export const wholeNumber = (least: number, most: number) => numberIn(least, most, DECIMAL);

/**
 * As wholeNumber, but also accepts "0x1f": ids and counts of PCI devices are often written in hexadecimal.
 */
export const wholeOrHexNumber = (least: number, most: number) => numberIn(least, most, DECIMAL_OR_HEX);

/** A number, fractions allowed, in [least, most]; `unit` is a plural such as 'seconds'. */
export const numberBetween =
  (least: number, most: number, unit?: string) =>
  (text: string): number => {
    const value = Number(text);
    if (FRACTION.test(text) && value >= least && value <= most) return value;
    const what = unit === undefined ? 'a number' : `a number of ${unit}`;
    throw new InvalidArgumentError(`Expected ${what} from ${least} to ${most}.`);
  };

const MOST_SECONDS = 1e9;

/** Seconds from a millisecond, fractions allowed, up to `most`. */
export const seconds = (most = MOST_SECONDS) => numberBetween(0.001, most, 'seconds');

/** Seconds, fractions and 0 allowed. */
export const secondsOrNone = numberBetween(0, MOST_SECONDS, 'seconds');

/** A share above 0, up to 1. */
export function share(text: string): number {
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || value <= 0 || value > 1)
    throw new InvalidArgumentError('Expected a number above 0, up to 1.');
  return value;
}

/** A comma-separated list of whole numbers; duplicates are removed. */
export const numberList = (least: number, most: number) => (text: string) => [
  ...new Set(text.split(',').map(wholeNumber(least, most))),
];

/** A comma-separated list, each item one of `words`; duplicates are removed. */
export const wordList =
  <Word extends string>(words: readonly Word[]) =>
  (text: string): Word[] => {
    const list = text.split(',') as Word[];
    const wrong = list.find((word) => !words.includes(word));
    if (wrong !== undefined) throw new InvalidArgumentError(`'${wrong}' is not one of ${words.join(', ')}.`);
    return [...new Set(list)];
  };

/**
 * Returns `cpus` if this process may run on all of them. Throws an error that commander prints with the
 * option's name.
 */
export function usableCpus<T extends readonly number[]>(cpus: T): T {
  const usable = native.getAffinity();
  const missing = cpus.find((cpu) => !usable.includes(cpu));
  if (missing !== undefined)
    throw new InvalidArgumentError(
      `This process may not run on CPU ${missing}; allowed CPUs: ${usable.join(', ')}.`,
    );
  return cpus;
}

/** What may not be empty. */
export function name(text: string): string {
  if (text === '') throw new InvalidArgumentError('It is empty.');
  return text;
}
