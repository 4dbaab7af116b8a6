// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum (RFC 1071): over bytes, after a change (RFC 1624), and of UDP and TCP over IPv4.
import { readUint16BE } from './bytes.ts';
import { IPV4, IPV6 } from './headers.ts';

/** HOT. Over `bytes[at..at + length)`, in which the checksum itself must be 0; the value to store there. */
export function internetChecksum(bytes: Uint8Array, at: number, length: number): number {
  return ~fold(sumOf(bytes, at, length)) & 0xffff;
}

/**
 * HOT. The checksum after one of the 16-bit words that it covers has changed `from` one value `to` another
 * (RFC 1624, equation 3).
 */
export function updatedChecksum(checksum: number, from: number, to: number): number {
  return ~fold((~checksum & 0xffff) + (~from & 0xffff) + to) & 0xffff;
}

/**
 * HOT. Of the UDP or TCP packet after the IPv4 header at `ip`, all of it in `bytes`, whose own checksum must
 * be 0; the value to store there. 0 in a UDP header means "none", so for UDP a sum of 0 is 0xffff (RFC 768).
 */
export function transportChecksum(bytes: Uint8Array, ip: number): number {
  const header = (bytes[ip] & 0xf) * 4;
  const length = readUint16BE(bytes, ip + IPV4.TOTAL_LENGTH) - header;
  const protocol = bytes[ip + IPV4.PROTOCOL];
  const pseudo = sumOf(bytes, ip + IPV4.SOURCE, 8) + protocol + length;
  const checksum = ~fold(pseudo + sumOf(bytes, ip + header, length)) & 0xffff;
  return checksum === 0 && protocol === IPV4.PROTOCOL_UDP ? 0xffff : checksum;
}

/**
 * HOT. Of the `length` bytes of ICMPv6 after the header at `ip`, whose own checksum must be 0; the value to
 * store there.
 */
export function icmp6Checksum(bytes: Uint8Array, ip: number, length: number): number {
  const pseudo = sumOf(bytes, ip + IPV6.SOURCE, 32) + length + IPV6.NEXT_ICMPV6;
  return ~fold(pseudo + sumOf(bytes, ip + IPV6.HEADER, length)) & 0xffff;
}

/**
 * An odd last byte counts as the upper half of a word. Upper and lower halves are summed apart, eight bytes a
 * round: V8 spends more on the loop than on the sum.
 */
function sumOf(bytes: Uint8Array, at: number, length: number): number {
  const end = at + length;
  let upper = 0;
  let lower = 0;
  let i = at;
  for (; i + 7 < end; i += 8) {
    upper += bytes[i] + bytes[i + 2] + bytes[i + 4] + bytes[i + 6];
    lower += bytes[i + 1] + bytes[i + 3] + bytes[i + 5] + bytes[i + 7];
  }
  for (; i + 1 < end; i += 2) {
    upper += bytes[i];
    lower += bytes[i + 1];
  }
  if (i < end) upper += bytes[i];
  return upper * 256 + lower;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}
