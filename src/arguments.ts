// SPDX-License-Identifier: BSD-3-Clause
// Argument checks of the public API. A wrong argument of any type raises a PmdError (VPCI_ARGUMENT) that
// names it: types are erased at run time, and plain JavaScript never had them.
import { inspect } from 'node:util';
import { PmdError } from './errors.ts';

/** `call` is the function that the user called: "launch()". */
export function argumentError(call: string, name: string, wanted: string, got: unknown): PmdError {
  return new PmdError(
    'VPCI_ARGUMENT',
    `Failed to call ${call}: ${name} must be ${wanted}, not ${shown(got)}`,
  );
}

export function requireInteger(call: string, name: string, value: unknown, min: number, max: number): void {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw argumentError(call, name, `a whole number from ${min} to ${max}`, value);
}

/** `max` may be Infinity. */
export function requireNumber(call: string, name: string, value: unknown, min: number, max: number): void {
  if (typeof value === 'number' && value >= min && value <= max) return;
  throw argumentError(
    call,
    name,
    max < Number.POSITIVE_INFINITY ? `from ${min} to ${max}` : `${min} or more`,
    value,
  );
}

export function requireBoolean(call: string, name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw argumentError(call, name, 'true or false', value);
}

export function requireString(call: string, name: string, value: unknown, wanted = 'a string'): void {
  if (typeof value !== 'string' || value === '') throw argumentError(call, name, wanted, value);
}

export function requireArray(call: string, name: string, value: unknown, of: string): void {
  if (!Array.isArray(value)) throw argumentError(call, name, `an array of ${of}`, value);
}

export function requireFunction(call: string, name: string, value: unknown): void {
  if (typeof value !== 'function') throw argumentError(call, name, 'a function', value);
}

export function requireOneOf(call: string, name: string, value: unknown, known: readonly string[]): void {
  if (!known.includes(value as string)) throw argumentError(call, name, `one of ${known.join(', ')}`, value);
}

/** An object with known keys only: otherwise a misspelt option would be ignored silently. */
export function requireOptions(call: string, name: string, value: unknown, keys: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw argumentError(call, name, 'an object', value);
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown === undefined) return;
  throw new PmdError(
    'VPCI_ARGUMENT',
    `Failed to call ${call}: ${name} has no '${unknown}'; it takes ${keys.join(', ')}`,
  );
}

/** `value`, of any type, as one short line. */
export function shown(value: unknown): string {
  const text = inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 100 });
  return text.replace(/\s+/g, ' ').slice(0, 120);
}
