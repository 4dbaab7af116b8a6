// SPDX-License-Identifier: BSD-3-Clause
// MAC addresses as text, as bytes, and as the first words of a frame.
import { shown } from '../arguments.ts';
import { PmdError } from '../errors.ts';

/** Whether `text` is a string of six pairs of hexadecimal digits. */
export const isMac = (text: unknown): text is string =>
  typeof text === 'string' && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text);

/** "02:00:00:00:00:0A" */
export const macText = (bytes: Iterable<number>): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .join(':')
    .toUpperCase();

/** The six bytes of "02:00:00:00:00:01"; throws VPCI_MAC for an invalid address. */
export function macBytes(mac: string): Uint8Array {
  if (!isMac(mac))
    throw new PmdError('VPCI_MAC', `Invalid ethernet address: ${typeof mac === 'string' ? mac : shown(mac)}`);
  return Uint8Array.from(mac.split(':'), (byte) => Number.parseInt(byte, 16));
}

/** Destination and source addresses as the three little-endian words at the start of a frame. */
export function macWords(destination: string, source: string): Uint32Array {
  return new Uint32Array(Uint8Array.from([...macBytes(destination), ...macBytes(source)]).buffer);
}
