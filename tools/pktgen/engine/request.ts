// SPDX-License-Identifier: BSD-3-Clause
// Which requests a host answers: those sent to it by one host, and whole. Answers to anybody else would go
// to many (RFC 1122, 3.2.2.6; RFC 4443, 2.4 (e)), and a right checksum on a damaged request would hide the
// damage.
import { isZero, readUint16BE } from '../../../src/packet/bytes.ts';
import { icmp6Checksum, internetChecksum } from '../../../src/packet/checksum.ts';
import { ARP, ETHER, ICMPV6, IPV4, IPV6 } from '../../../src/packet/headers.ts';

const MULTICAST4 = 224;
const LOOPBACK4 = 127;
const MULTICAST6 = 0xff;

/** HOT. Whether the frame is for `mac`, or for a group; no frame has a group as its source. */
export const isForHost = (bytes: Uint8Array, frame: number, mac: readonly number[]): boolean =>
  isOneHost(bytes, frame + ETHER.SOURCE) &&
  (!isOneHost(bytes, frame + ETHER.DESTINATION) || isAt(bytes, frame + ETHER.DESTINATION, mac));

/** HOT. Whether the MAC address is that of one host. */
export const isOneHost = (bytes: Uint8Array, at: number): boolean => (bytes[at] & 1) === 0;

/**
 * HOT. Whether one host asks for `own`, or tests whether it is free: then its own address is 0 (RFC 5227,
 * 2.1.1).
 */
export function isArpFromHost(bytes: Uint8Array, arp: number, own: readonly number[]): boolean {
  const sender = arp + ARP.SENDER_IP;
  return isOneHost(bytes, arp + ARP.SENDER_MAC) && (isZero(bytes, sender, 4) || isHost4(bytes, sender, own));
}

/** HOT. Whether it is the address of one other host. */
export function isHost4(bytes: Uint8Array, at: number, own: readonly number[]): boolean {
  const first = bytes[at];
  return first !== 0 && first !== LOOPBACK4 && first < MULTICAST4 && !isAt(bytes, at, own);
}

/** HOT. Whether it is the address of one other host. */
export function isHost6(bytes: Uint8Array, at: number, own: readonly number[]): boolean {
  // :: and ::1
  if (isZero(bytes, at, 15) && bytes[at + 15] <= 1) return false;
  return bytes[at] !== MULTICAST6 && !isAt(bytes, at, own);
}

/**
 * HOT. Whether the checksums of the IPv4 header of `header` bytes at `ip` and of its ICMP message are right.
 * That of a message which is not in one piece is not looked at.
 */
export function isSummed4(bytes: Uint8Array, ip: number, header: number, end: number): boolean {
  if (internetChecksum(bytes, ip, header) !== 0) return false;
  const length = readUint16BE(bytes, ip + IPV4.TOTAL_LENGTH) - header;
  return ip + header + length > end || internetChecksum(bytes, ip + header, length) === 0;
}

/** HOT. Whether the checksum of the `length` bytes of ICMPv6 after the header at `ip` is right. */
export const isSummed6 = (bytes: Uint8Array, ip: number, length: number): boolean =>
  icmp6Checksum(bytes, ip, length) === 0;

/** HOT. Whether the options of a neighbour message are whole (RFC 4861, 7.1.1). */
export function hasWholeOptions(bytes: Uint8Array, ip: number, length: number): boolean {
  const end = ip + IPV6.HEADER + length;
  let at = ip + IPV6.HEADER + ICMPV6.OPTIONS;
  while (at + 1 < end) {
    const units = bytes[at + 1];
    if (units === 0) return false;
    at += OPTION_UNIT * units;
  }
  return at === end;
}

const OPTION_UNIT = 8;

/** HOT. Whether an address that the host has is there. */
export function isAt(bytes: Uint8Array, at: number, address: readonly number[]): boolean {
  for (let i = 0; i < address.length; i++) if (bytes[at + i] !== address[i]) return false;
  return address.length > 0;
}
