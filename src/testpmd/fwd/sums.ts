// SPDX-License-Identifier: BSD-3-Clause
// Checksums of headers, for mode csum.
import { fold } from '../../offload/chain.ts';
import { readUint16BE, writeUint16BE } from '../../packet/bytes.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import { IPV4, IPV6 } from '../../packet/headers.ts';

export { fold };

/** HOT. Sets the checksum of the IPv4 header in `bytes[ip..end)`; true if it was wrong. */
export function setHeaderChecksum(bytes: Uint8Array, ip: number, end: number): boolean {
  const was = readUint16BE(bytes, ip + IPV4.CHECKSUM);
  writeUint16BE(bytes, ip + IPV4.CHECKSUM, 0);
  const is = internetChecksum(bytes, ip, end - ip);
  writeUint16BE(bytes, ip + IPV4.CHECKSUM, is);
  return differs(was, is);
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
