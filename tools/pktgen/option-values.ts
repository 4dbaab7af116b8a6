// SPDX-License-Identifier: BSD-3-Clause
// Parsers of option values beyond those that all tools share.
import { InvalidArgumentError } from '@commander-js/extra-typings';
import { parseByteSize } from '../../src/byte-size.ts';

/** A parser whose errors commander prints with the option's name. */
export const parsed =
  <T>(parse: (text: string) => T) =>
  (text: string): T => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(`${(error as Error).message.replace(/^[^:]*: /, '')}.`);
    }
  };

/** A parser that leaves the text as it is, once `parse` has accepted it. */
export const checked = (parse: (text: string) => unknown): ((text: string) => string) =>
  parsed((text) => {
    parse(text);
    return text;
  });

/** A percentage as a share: "0.1" or "0.1%" is 0.001. */
export function percent(text: string): number {
  const value = Number(text.replace(/%$/, ''));
  if (!/^\d*\.?\d+%?$/.test(text) || value > 100)
    throw new Error(`: '${text}' is not a percentage from 0 to 100`);
  return value / 100;
}

/** "256M" as bytes. */
export function byteSize(text: string): number {
  // As of other numbers here: no hexadecimal.
  const bytes = /^0x/i.test(text) ? null : parseByteSize(text);
  if (bytes === null || bytes === 0) throw new Error(`: '${text}' is not a size such as 256M`);
  return bytes;
}

export function percentAboveNone(text: string): number {
  const share = percent(text);
  if (share === 0) throw new Error(`: '${text}' is not above 0`);
  return share;
}
