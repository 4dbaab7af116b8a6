// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum.

/** RFC 1071, over an even number of bytes. */
export function internetChecksum(bytes: Uint8Array, at: number, length: number): number {
  let sum = 0;
  for (let i = at; i < at + length; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
