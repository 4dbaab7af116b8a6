// SPDX-License-Identifier: BSD-3-Clause
// Checksums of headers, for mode csum.
import { fold } from '../../offload/chain.ts';
import { readUint16BE, writeUint16BE } from '../../packet/bytes.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import { IPV4, IPV6 } from '../../packet/headers.ts';

export { fold };

/** HOT. Sets the checksum of the IPv4 header in `bytes[ip..end)`; true if it was wrong. */
export function setHeaderChecksum(bytes: Uint8Array, ip: number, end: number): boolean {
  const field = ip + IPV4.CHECKSUM;
  const was = readUint16BE(bytes, field);
  writeUint16BE(bytes, field, 0);
  const is = end - ip === IPV4.HEADER ? plainChecksum(bytes, ip) : internetChecksum(bytes, ip, end - ip);
  writeUint16BE(bytes, field, is);
  return differs(was, is);
}

/** HOT. Of a header without options, as nearly all are: the same without a loop. */
function plainChecksum(bytes: Uint8Array, ip: number): number {
  const first = readUint16BE(bytes, ip) + readUint16BE(bytes, ip + 2) + readUint16BE(bytes, ip + 4);
  const middle = readUint16BE(bytes, ip + 6) + readUint16BE(bytes, ip + 8);
  const source = readUint16BE(bytes, ip + 12) + readUint16BE(bytes, ip + 14);
  const destination = readUint16BE(bytes, ip + 16) + readUint16BE(bytes, ip + 18);
  return ~fold(first + middle + source + destination) & 0xffff;
}

/** HOT. The sum over the pseudo-header of `length` bytes of a transport protocol after the header at `ip`. */
export function pseudoSum(
  bytes: Uint8Array,
  ip: number,
  version: number,
  protocol: number,
  length: number,
): number {
  if (version === 6)
    return fold((~internetChecksum(bytes, ip + IPV6.SOURCE, 32) & 0xffff) + protocol + length);
  const from = ip + IPV4.SOURCE;
  const source = readUint16BE(bytes, from) + readUint16BE(bytes, from + 2);
  const destination = readUint16BE(bytes, from + 4) + readUint16BE(bytes, from + 6);
  return fold(source + destination + protocol + length);
}

/** HOT. Whether two checksums are not the same number of ones' complement. */
export const differs = (a: number, b: number): boolean => a % 0xffff !== b % 0xffff;
