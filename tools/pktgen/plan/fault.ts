// SPDX-License-Identifier: BSD-3-Clause
// What is wrong with what a user gave: one line that names it.
import { PmdError } from '../../../src/errors.ts';

export const fault = (what: string, cause: string): PmdError =>
  new PmdError('VPCI_ARGUMENT', `${what}: ${cause}`);

/** A value as a message shows it. */
export const quoted = (value: unknown): string =>
  typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value));
