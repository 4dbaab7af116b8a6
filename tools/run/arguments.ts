// SPDX-License-Identifier: BSD-3-Clause
// Parsers of option values for the command lines of tools/.
import { InvalidArgumentError } from '@commander-js/extra-typings';
import { native } from '../../src/native.ts';

/** A whole number in [least, most]. */
export const wholeNumber = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
  }
  return value;
};

/** Seconds, fractions allowed, up to `most`. */
export const seconds = (most: number) => (text: string) => {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > most) {
    throw new InvalidArgumentError(`It is a number of seconds up to ${most}.`);
  }
  return value;
};

/** A list of whole numbers, comma-separated, each once. */
export const numberList = (least: number, most: number) => (text: string) => [
  ...new Set(text.split(',').map(wholeNumber(least, most))),
];

/** A list of words, comma-separated, each one of `words`. */
export const wordList =
  <Word extends string>(words: readonly Word[]) =>
  (text: string): Word[] => {
    const list = text.split(',') as Word[];
    const wrong = list.find((word) => !words.includes(word));
    if (wrong !== undefined) throw new InvalidArgumentError(`'${wrong}' is none of ${words.join(', ')}.`);
    return [...new Set(list)];
  };

/** These CPUs, which this process may use all of. Throws what commander prints with the name of the option. */
export function usableCpus<T extends readonly number[]>(cpus: T): T {
  const usable = native.getAffinity();
  const missing = cpus.find((cpu) => !usable.includes(cpu));
  if (missing !== undefined)
    throw new InvalidArgumentError(
      `This process may not run on CPU ${missing}; it may on ${usable.join(', ')}.`,
    );
  return cpus;
}
