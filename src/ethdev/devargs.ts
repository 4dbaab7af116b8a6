// SPDX-License-Identifier: BSD-3-Clause
// Device arguments in DPDK's syntax: `<driver><id>[,key=value]...` as for --vdev, or with a PCI address in
// place of the name as for -a. A key without a value means 1.
//
// As in DPDK (rte_kvargs_tokenize), a comma within brackets belongs to the value, and so do the brackets:
// key=a[1,3-5]b. As an extension, since DPDK has no syntax for a path with a comma, a value may be in double
// quotes, where \" and \\ stand for a quote and a backslash: path="/run/a,b.sock".
import { PmdError } from '../errors.ts';
import { isMac } from '../packet/mac.ts';
import { parsePciAddress } from '../pci/address.ts';

export interface Devargs {
  /** Device name: "net_null0", "0000:00:04.0". */
  readonly name: string;
  /** The text after the first comma, as given. */
  readonly text: string;
  readonly values: ReadonlyMap<string, string>;
}

/** Parses a device string; throws a VPCI_DEVARGS that quotes the offending part. */
export function parseDevargs(device: string): Devargs {
  const [given = '', ...pairs] = splitPairs(device);
  const address = parsePciAddress(given);
  const name = address ?? given;
  if (address === null && !/^[a-z][a-z0-9_]*[0-9]$/.test(name)) {
    throw bad(device, `'${name}' is not a device name; expected <driver><id>, such as net_null0`);
  }
  const values = new Map<string, string>();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    if (key === '') throw bad(device, `'${pair}' has no key; expected key=value`);
    if (key.includes(REPEAT)) throw bad(device, `'${key}' is not a key`);
    values.set(repeated(values, key), equals < 0 ? '1' : unquote(device, pair.slice(equals + 1)));
  }
  return { name, text: pairs.join(','), values };
}

/** Between a key that is given again and how often it was given before: rx_pcap, rx_pcap#1. */
const REPEAT = '#';

function repeated(values: ReadonlyMap<string, string>, key: string): string {
  let name = key;
  for (let n = 1; values.has(name); n++) name = `${key}${REPEAT}${n}`;
  return name;
}

const plainKey = (key: string): string => key.split(REPEAT)[0] as string;

/** All values of a key that may be given several times, in their order. */
export function repeatedArg(values: ReadonlyMap<string, string>, key: string): string[] {
  return [...values].flatMap(([name, value]) => (plainKey(name) === key ? [value] : []));
}

/** Formats arguments; the inverse of parseDevargs. */
export function formatDevargs(values: ReadonlyMap<string, string>): string {
  return [...values].map(([key, value]) => `${plainKey(key)}=${quoteDevarg(value)}`).join(',');
}

/** A value as written in a device string: quoted if necessary. */
export function quoteDevarg(value: string): string {
  return /^"|[,[\s]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : value;
}

const QUOTED = /^"((?:\\.|[^"\\])*)"/;

/** Splits a device string at its commas, except those within quotes or brackets. */
function splitPairs(device: string): string[] {
  const pairs: string[] = [];
  let rest = device;
  for (;;) {
    const length = pairLength(device, rest);
    pairs.push(rest.slice(0, length));
    if (length === rest.length) return pairs;
    rest = rest.slice(length + 1);
  }
}

function pairLength(device: string, text: string): number {
  const [before] = /^[^=,]*=?/.exec(text) ?? [''];
  if (text[before.length] === '"') {
    const [quoted] = QUOTED.exec(text.slice(before.length)) ?? [''];
    const length = before.length + quoted.length;
    if (quoted === '') throw bad(device, `the quote of ${text} is not closed`);
    if (length < text.length && text[length] !== ',')
      throw bad(device, `expected a comma after ${text.slice(0, length)}, found '${text.slice(length)}'`);
    return length;
  }
  // Up to the first comma outside brackets; an unclosed bracket does not count as one.
  const [pair] = /^(?:\[[^\]]*\]|[^,])*/.exec(text) ?? [''];
  return pair.length;
}

function unquote(device: string, value: string): string {
  if (!value.startsWith('"')) return value;
  const [whole, inner = ''] = QUOTED.exec(value) ?? [];
  if (whole !== value) throw bad(device, `${value} is not a quoted value`);
  return inner.replace(/\\(.)/g, '$1');
}

/** Throws if `values` has a key that is not in `known`, or has one twice that is not in `repeatable`. */
export function checkKeys(
  device: string,
  values: ReadonlyMap<string, string>,
  known: readonly string[],
  repeatable: readonly string[] = [],
): void {
  for (const name of values.keys()) {
    const key = plainKey(name);
    if (name !== key && !repeatable.includes(key)) throw bad(device, `key '${key}' is given twice`);
    if (!known.includes(key)) throw bad(device, `unknown key '${key}'; it takes ${known.join(', ')}`);
  }
}

/**
 * The whole number given for `key`, or `fallback` if the key is absent; throws unless it is a whole number in
 * [min, max].
 */
export function integerArg(
  device: string,
  values: ReadonlyMap<string, string>,
  key: string,
  range: { readonly fallback: number; readonly min: number; readonly max: number },
): number {
  const text = values.get(key);
  if (text === undefined) return range.fallback;
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value >= range.min && value <= range.max)) {
    throw bad(device, `${key}=${text} is not a whole number from ${range.min} to ${range.max}`);
  }
  return value;
}

/** The unicast address given for `mac`, or null if the key is absent; throws if it is not one. */
export function macArg(device: string, values: ReadonlyMap<string, string>): string | null {
  const text = values.get('mac');
  if (text === undefined) return null;
  if (!isMac(text) || (Number.parseInt(text.slice(0, 2), 16) & 1) !== 0) {
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${device}: mac=${text} is not a unicast MAC address`);
  }
  return text.toUpperCase();
}

function bad(device: string, cause: string): PmdError {
  return new PmdError('VPCI_DEVARGS', `Failed to parse device '${device}': ${cause}`);
}
