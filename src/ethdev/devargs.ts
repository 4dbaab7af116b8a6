// SPDX-License-Identifier: BSD-3-Clause
// Device arguments in DPDK's syntax: `<driver><id>[,key=value]...` as after --vdev, or a PCI address in place of the name as after -a. A
// key without a value means 1.
import { PmdError } from '../errors.ts';
import { parsePciAddress } from '../pci/address.ts';

export interface Devargs {
  /** Device name: "net_null0", "0000:00:04.0". */
  readonly name: string;
  /** What stands after the first comma, as given. */
  readonly text: string;
  readonly values: ReadonlyMap<string, string>;
}

/** Takes a device string apart; throws VPCI_DEVARGS that quotes the part at fault. */
export function parseDevargs(device: string): Devargs {
  const [given = '', ...pairs] = device.split(',');
  const address = parsePciAddress(given);
  const name = address ?? given;
  if (address === null && !/^[a-z][a-z0-9_]*[0-9]$/.test(name)) {
    throw bad(device, `'${name}' is no device name; write <driver><id>, such as net_null0`);
  }
  const values = new Map<string, string>();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    if (key === '') throw bad(device, `'${pair}' has no key; write key=value`);
    if (values.has(key)) throw bad(device, `key '${key}' is given twice`);
    values.set(key, equals < 0 ? '1' : pair.slice(equals + 1));
  }
  return { name, text: pairs.join(','), values };
}

/** Throws when `values` has a key that `known` lacks. */
export function checkKeys(
  device: string,
  values: ReadonlyMap<string, string>,
  known: readonly string[],
): void {
  for (const key of values.keys()) {
    if (!known.includes(key)) throw bad(device, `unknown key '${key}'; it takes ${known.join(', ')}`);
  }
}

/** The whole number behind `key`, `fallback` when it is left out; throws when it is none or outside [min, max]. */
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

/** The unicast address behind `mac`, null when it is left out; throws when it is none. */
export function macArg(device: string, values: ReadonlyMap<string, string>): string | null {
  const text = values.get('mac');
  if (text === undefined) return null;
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text) || (Number.parseInt(text.slice(0, 2), 16) & 1) !== 0) {
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${device}: mac=${text} is not a unicast MAC address`);
  }
  return text.toUpperCase();
}

function bad(device: string, cause: string): PmdError {
  return new PmdError('VPCI_DEVARGS', `Failed to parse device '${device}': ${cause}`);
}
