// SPDX-License-Identifier: BSD-3-Clause
// Replies to ARP requests and ICMP echo requests: each request is turned into its reply in place. IP options
// are skipped, fragments are not answered, and a reply never has a group address as its source.
import { copyBytes, readUint16BE, swapBytes, writeUint16BE } from './bytes.ts';
import { internetChecksum, updatedChecksum } from './checksum.ts';
import { ARP, ETHER, ICMP, IPV4, ipv4HeaderLength, isArp, isFragment } from './headers.ts';

/**
 * HOT. Turns the ARP request at `arp`, of the frame in `bytes[frame..end)`, into the reply that the address
 * which it asks for is at `mac`; false if it is none.
 */
export function answerArp(
  bytes: Uint8Array,
  frame: number,
  arp: number,
  end: number,
  mac: readonly number[],
): boolean {
  if (!isArp(bytes, arp, end) || readUint16BE(bytes, arp + ARP.OPERATION) !== ARP.REQUEST) return false;
  writeUint16BE(bytes, arp + ARP.OPERATION, ARP.REPLY);
  swapBytes(bytes, arp + ARP.SENDER_MAC, arp + ARP.TARGET_MAC, 10);
  copyBytes(bytes, frame + ETHER.DESTINATION, frame + ETHER.SOURCE, 6);
  for (let i = 0; i < 6; i++) {
    bytes[frame + ETHER.SOURCE + i] = mac[i];
    bytes[arp + ARP.SENDER_MAC + i] = mac[i];
  }
  return true;
}

/**
 * HOT. Turns the ICMP echo request after the IPv4 header at `ip` into its reply; false if it is none. The
 * frame is `length` bytes long, of which those in `bytes[frame..end)` are in one piece. With `summed`, the
 * request's checksum is right and the reply's is to be; otherwise a later stage computes it.
 */
export function answerEcho(
  bytes: Uint8Array,
  frame: number,
  ip: number,
  end: number,
  length: number,
  mac: readonly number[],
  summed: boolean,
): boolean {
  const header = ipv4HeaderLength(bytes, ip, end);
  if (header === 0) return false;
  const icmp = ip + header;
  const total = readUint16BE(bytes, ip + IPV4.TOTAL_LENGTH);
  if (icmp + ICMP.HEADER > end) return false;
  if (total < header + ICMP.HEADER || ip - frame + total > length) return false;
  // Fragments cannot be answered on their own.
  if (isFragment(bytes, ip)) return false;
  if (bytes[ip + IPV4.PROTOCOL] !== IPV4.PROTOCOL_ICMP) return false;
  if (bytes[icmp + ICMP.TYPE] !== ICMP.ECHO_REQUEST || bytes[icmp + ICMP.CODE] !== 0) return false;
  answerMacs(bytes, frame, mac);
  swapAddresses(bytes, ip, header);
  bytes[icmp + ICMP.TYPE] = ICMP.ECHO_REPLY;
  if (summed) updateChecksum(bytes, icmp + ICMP.CHECKSUM);
  return true;
}

/** HOT. The addresses of a reply; to a group-addressed frame, its source is `mac`. */
export function answerMacs(bytes: Uint8Array, frame: number, mac: readonly number[]): void {
  const group = (bytes[frame] & 1) !== 0;
  swapBytes(bytes, frame + ETHER.DESTINATION, frame + ETHER.SOURCE, 6);
  if (group) for (let i = 0; i < 6; i++) bytes[frame + ETHER.SOURCE + i] = mac[i];
}

/**
 * The source of the reply is the address that was asked. If that is a group address, the source is the
 * requester's address with its last two bits set to 1, or to 2 if they are 1 already, as in DPDK.
 */
function swapAddresses(bytes: Uint8Array, ip: number, header: number): void {
  swapBytes(bytes, ip + IPV4.SOURCE, ip + IPV4.DESTINATION, 4);
  const first = bytes[ip + IPV4.SOURCE];
  const group =
    first >>> 4 === 0xe || (first === 255 && readUint16BE(bytes, ip + IPV4.SOURCE + 2) === 0xffff);
  // Swapping the addresses does not change the header checksum (RFC 1071, 2 (A)).
  if (!group) return;
  copyBytes(bytes, ip + IPV4.SOURCE, ip + IPV4.DESTINATION, 4);
  const last = ip + IPV4.SOURCE + 3;
  bytes[last] = (bytes[last] & 0xfc) | ((bytes[last] & 3) === 1 ? 2 : 1);
  writeUint16BE(bytes, ip + IPV4.CHECKSUM, 0);
  writeUint16BE(bytes, ip + IPV4.CHECKSUM, internetChecksum(bytes, ip, header));
}

/** The type becomes 0 in the upper half of a word. The request's checksum is assumed to be correct. */
function updateChecksum(bytes: Uint8Array, at: number): void {
  const checksum = readUint16BE(bytes, at);
  writeUint16BE(bytes, at, updatedChecksum(checksum, ICMP.ECHO_REQUEST << 8, ICMP.ECHO_REPLY << 8));
}
