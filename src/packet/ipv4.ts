// SPDX-License-Identifier: BSD-3-Clause
// IPv4 addresses as text and as numbers.
import { isIPv4 } from 'node:net';
import { argumentError, requireInteger } from '../arguments.ts';

/** "10.0.0.1" as a signed number of 32 bits, as readInt32BE reads it. Throws VPCI_ARGUMENT. */
export function ipv4Number(address: string): number {
  if (typeof address !== 'string' || !isIPv4(address))
    throw argumentError('ipv4Number()', 'address', "an IPv4 address such as '10.0.0.1'", address);
  return address.split('.').reduce((number, byte) => (number << 8) | Number(byte), 0);
}

/** "10.0.0.1" for 0x0a000001, signed or unsigned. Throws VPCI_ARGUMENT. */
export function ipv4Text(address: number): string {
  requireInteger('ipv4Text()', 'address', address, -(2 ** 31), 2 ** 32 - 1);
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}
