// SPDX-License-Identifier: BSD-3-Clause
// What is wrong with what a user gave: one line that names it.
import { inspect } from 'node:util';
import { PmdError } from '../../../src/errors.ts';

export const fault = (what: string, cause: string): PmdError =>
  new PmdError('VPCI_ARGUMENT', `${what}: ${cause}`);

/** A value as a message shows it, whatever it is: a module's may be a cycle, and a file's very deep. */
export const quoted = (value: unknown): string => {
  if (typeof value === 'string') return `'${value}'`;
  // Which JSON has not all of.
  if (typeof value === 'number') return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY });
  }
};

/** The words of what was thrown, which need not be an Error. */
export const wordsOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : quoted(thrown);
