// SPDX-License-Identifier: BSD-3-Clause
// Replies to neighbour solicitations and ICMPv6 echo requests: each request is turned into its reply in
// place. Extension headers are not skipped.
import { copyBytes, isZero, readUint16BE, swapBytes, writeInt32BE, writeUint16BE } from './bytes.ts';
import { icmp6Checksum, updatedChecksum } from './checksum.ts';
import { answerMacs } from './echo.ts';
import { ETHER, ICMP, ICMPV6, IPV6 } from './headers.ts';

/** RFC 4861, 7.1.1: what has passed a router is of no neighbour. */
const HOP_LIMIT = 255;
/** RFC 4861, 4.6.1: an option with a link-layer address of Ethernet, and its types. */
const ADDRESS_OPTION = 8;
const TARGET_ADDRESS = 2;
/** RFC 4861, 4.4: asked for, and in place of what was known. */
const SOLICITED_OVERRIDE = 0x6000_0000;

/** HOT. Bytes of ICMPv6 after the header at `ip`; 0 if there are none, or not all of them before `end`. */
export function icmp6Length(bytes: Uint8Array, ip: number, end: number): number {
  if (ip + IPV6.HEADER > end || bytes[ip] >>> 4 !== 6) return 0;
  if (bytes[ip + IPV6.NEXT_HEADER] !== IPV6.NEXT_ICMPV6) return 0;
  const length = readUint16BE(bytes, ip + IPV6.PAYLOAD_LENGTH);
  return length < ICMP.HEADER || ip + IPV6.HEADER + length > end ? 0 : length;
}

/** HOT. Whether the `length` bytes of ICMPv6 solicit a neighbour. */
export function isSolicitation(bytes: Uint8Array, ip: number, length: number): boolean {
  const icmp = ip + IPV6.HEADER;
  if (length < ICMPV6.OPTIONS || bytes[ip + IPV6.HOP_LIMIT] !== HOP_LIMIT) return false;
  return bytes[icmp + ICMP.TYPE] === ICMPV6.SOLICITATION && bytes[icmp + ICMP.CODE] === 0;
}

/**
 * HOT. Turns a solicitation into the advertisement that its target is at `mac`. False, and it stays as it is,
 * if the reply would be longer: one that was sent to a group has to tell the address, for which there is room
 * in place of the asker's. That of a host that tests whether an address is free has none (RFC 4862).
 */
export function answerSolicitation(
  bytes: Uint8Array,
  frame: number,
  ip: number,
  length: number,
  mac: readonly number[],
): boolean {
  const icmp = ip + IPV6.HEADER;
  const hasRoom = length >= ICMPV6.OPTIONS + ADDRESS_OPTION;
  if (!hasRoom && bytes[ip + IPV6.DESTINATION] === 0xff) return false;
  if (isZero(bytes, ip + IPV6.SOURCE, 16)) return false;
  const reply = hasRoom ? ICMPV6.OPTIONS + ADDRESS_OPTION : ICMPV6.OPTIONS;
  copyBytes(bytes, ip + IPV6.DESTINATION, ip + IPV6.SOURCE, 16);
  copyBytes(bytes, ip + IPV6.SOURCE, icmp + ICMPV6.TARGET, 16);
  writeUint16BE(bytes, ip + IPV6.PAYLOAD_LENGTH, reply);
  bytes[icmp + ICMP.TYPE] = ICMPV6.ADVERTISEMENT;
  writeInt32BE(bytes, icmp + ICMPV6.FLAGS, SOLICITED_OVERRIDE);
  if (hasRoom) {
    const option = icmp + ICMPV6.OPTIONS;
    bytes[option] = TARGET_ADDRESS;
    bytes[option + 1] = 1;
    for (let i = 0; i < 6; i++) bytes[option + 2 + i] = mac[i];
  }
  copyBytes(bytes, frame + ETHER.DESTINATION, frame + ETHER.SOURCE, 6);
  for (let i = 0; i < 6; i++) bytes[frame + ETHER.SOURCE + i] = mac[i];
  writeUint16BE(bytes, icmp + ICMPV6.CHECKSUM, 0);
  writeUint16BE(bytes, icmp + ICMPV6.CHECKSUM, icmp6Checksum(bytes, ip, reply));
  return true;
}

/** HOT. Turns an echo request to a unicast address into its reply; false if it is none. */
export function answerEcho6(
  bytes: Uint8Array,
  frame: number,
  ip: number,
  mac: readonly number[],
  summed: boolean,
): boolean {
  const icmp = ip + IPV6.HEADER;
  if (bytes[icmp + ICMP.TYPE] !== ICMPV6.ECHO_REQUEST || bytes[icmp + ICMP.CODE] !== 0) return false;
  answerMacs(bytes, frame, mac);
  swapBytes(bytes, ip + IPV6.SOURCE, ip + IPV6.DESTINATION, 16);
  bytes[icmp + ICMP.TYPE] = ICMPV6.ECHO_REPLY;
  if (summed) {
    const checksum = readUint16BE(bytes, icmp + ICMPV6.CHECKSUM);
    const after = updatedChecksum(checksum, ICMPV6.ECHO_REQUEST << 8, ICMPV6.ECHO_REPLY << 8);
    writeUint16BE(bytes, icmp + ICMPV6.CHECKSUM, after);
  }
  return true;
}
