// SPDX-License-Identifier: BSD-3-Clause
// Headers of packets: offsets and values of their fields, and where they are in a frame. Fields are read and
// written by bytes.ts.
import { readUint16BE } from './bytes.ts';

/** Ethernet: offsets from the frame's first byte. */
export const ETHER = {
  DESTINATION: 0,
  SOURCE: 6,
  TYPE: 12,
  /** Length of the header without tags. */
  HEADER: 14,
  /** Length of an IEEE 802.1Q tag. */
  VLAN_TAG: 4,
  TYPE_IPV4: 0x0800,
  TYPE_ARP: 0x0806,
  TYPE_VLAN: 0x8100,
  TYPE_IPV6: 0x86dd,
} as const;

/** ARP for IPv4 over Ethernet (RFC 826): offsets from the ARP header. */
export const ARP = {
  OPERATION: 6,
  SENDER_MAC: 8,
  SENDER_IP: 14,
  TARGET_MAC: 18,
  TARGET_IP: 24,
  LENGTH: 28,
  REQUEST: 1,
  REPLY: 2,
} as const;

/** RFC 791: offsets from the IP header. */
export const IPV4 = {
  TOTAL_LENGTH: 2,
  FRAGMENT: 6,
  TTL: 8,
  PROTOCOL: 9,
  CHECKSUM: 10,
  SOURCE: 12,
  DESTINATION: 16,
  /** Length of a header without options. */
  HEADER: 20,
  PROTOCOL_ICMP: 1,
  PROTOCOL_TCP: 6,
  PROTOCOL_UDP: 17,
} as const;

/** RFC 792: offsets from the ICMP header. */
export const ICMP = { TYPE: 0, CODE: 1, CHECKSUM: 2, HEADER: 8, ECHO_REPLY: 0, ECHO_REQUEST: 8 } as const;

/** RFC 768: offsets from the UDP header. TCP has its ports at the same places. */
export const UDP = { SOURCE_PORT: 0, DESTINATION_PORT: 2, LENGTH: 4, CHECKSUM: 6, HEADER: 8 } as const;

/** Hardware type Ethernet, protocol IPv4, addresses of 6 and 4 bytes. */
const ARP_KIND = [0, 1, 8, 0, 6, 4];

/**
 * HOT. Where the network header of the frame in `bytes[frame..end)` starts, past one VLAN tag; its EtherType
 * is in the two bytes before. -1 if the frame ends before that.
 */
export function networkHeader(bytes: Uint8Array, frame: number, end: number): number {
  const l3 = frame + ETHER.HEADER;
  if (l3 > end || readUint16BE(bytes, l3 - 2) !== ETHER.TYPE_VLAN) return l3 > end ? -1 : l3;
  return l3 + ETHER.VLAN_TAG > end ? -1 : l3 + ETHER.VLAN_TAG;
}

/** HOT. Whether a whole ARP packet for IPv4 over Ethernet is at `arp`. */
export function isArp(bytes: Uint8Array, arp: number, end: number): boolean {
  if (arp + ARP.LENGTH > end) return false;
  for (let i = 0; i < ARP_KIND.length; i++) if (bytes[arp + i] !== ARP_KIND[i]) return false;
  return true;
}

/**
 * HOT. Length of the IPv4 header at `ip` with its options, so that the transport header follows; 0 if there
 * is no whole IPv4 header before `end`.
 */
export function ipv4HeaderLength(bytes: Uint8Array, ip: number, end: number): number {
  if (ip + IPV4.HEADER > end || bytes[ip] >>> 4 !== 4) return 0;
  const length = (bytes[ip] & 0xf) * 4;
  return length < IPV4.HEADER || ip + length > end ? 0 : length;
}

/** HOT. Whether the IPv4 packet is a fragment: MF is set, or the offset is not 0. */
export function isFragment(bytes: Uint8Array, ip: number): boolean {
  return (readUint16BE(bytes, ip + IPV4.FRAGMENT) & 0x3fff) !== 0;
}
