// SPDX-License-Identifier: BSD-3-Clause
// Headers of packets: offsets and values of their fields, and where they are in a frame. Fields are read and
// written by bytes.ts.
import { readUint16BE } from './bytes.ts';

/** Ethernet: offsets from the frame's first byte. */
export const ETHER = {
  /** Offset of the destination address, 6 bytes. */
  DESTINATION: 0,
  /** Offset of the source address, 6 bytes. */
  SOURCE: 6,
  /** Offset of the EtherType, or of the TPID of a tag, 2 bytes. */
  TYPE: 12,
  /** Length of the header without tags. */
  HEADER: 14,
  /** Length of an IEEE 802.1Q tag. */
  VLAN_TAG: 4,
  /** EtherType of IPv4. */
  TYPE_IPV4: 0x0800,
  /** EtherType of ARP. */
  TYPE_ARP: 0x0806,
  /** TPID of an IEEE 802.1Q tag. */
  TYPE_VLAN: 0x8100,
  /** EtherType of IPv6. */
  TYPE_IPV6: 0x86dd,
} as const;

/** ARP for IPv4 over Ethernet (RFC 826): offsets from the ARP header. */
export const ARP = {
  /** Offset of the operation, 2 bytes. */
  OPERATION: 6,
  /** Offset of the sender's MAC address, 6 bytes. */
  SENDER_MAC: 8,
  /** Offset of the sender's IPv4 address, 4 bytes. */
  SENDER_IP: 14,
  /** Offset of the target's MAC address, 6 bytes. */
  TARGET_MAC: 18,
  /** Offset of the target's IPv4 address, 4 bytes. */
  TARGET_IP: 24,
  /** Length of the packet in bytes. */
  LENGTH: 28,
  /** Operation: request. */
  REQUEST: 1,
  /** Operation: reply. */
  REPLY: 2,
} as const;

/** RFC 791: offsets from the IP header. */
export const IPV4 = {
  /** Offset of the length of header and payload, 2 bytes. */
  TOTAL_LENGTH: 2,
  /** Offset of the identification, 2 bytes. */
  ID: 4,
  /** Offset of flags and fragment offset, 2 bytes. */
  FRAGMENT: 6,
  /** Offset of the time to live, 1 byte. */
  TTL: 8,
  /** Offset of the protocol, 1 byte. */
  PROTOCOL: 9,
  /** Offset of the header's checksum, 2 bytes. */
  CHECKSUM: 10,
  /** Offset of the source address, 4 bytes. */
  SOURCE: 12,
  /** Offset of the destination address, 4 bytes. */
  DESTINATION: 16,
  /** Length of a header without options. */
  HEADER: 20,
  /** Protocol number of ICMP. */
  PROTOCOL_ICMP: 1,
  /** Protocol number of TCP. */
  PROTOCOL_TCP: 6,
  /** Protocol number of UDP. */
  PROTOCOL_UDP: 17,
  /** Protocol number of SCTP. */
  PROTOCOL_SCTP: 132,
} as const;

/** RFC 8200, 3: offsets from the IPv6 header. */
export const IPV6 = {
  /** Offset of the payload's length, 2 bytes. */
  PAYLOAD_LENGTH: 4,
  /** Offset of the next header's protocol, 1 byte. */
  NEXT_HEADER: 6,
  /** Offset of the hop limit, 1 byte. */
  HOP_LIMIT: 7,
  /** Offset of the source address, 16 bytes. */
  SOURCE: 8,
  /** Offset of the destination address, 16 bytes. */
  DESTINATION: 24,
  /** Length of the header. */
  HEADER: 40,
  /** Next header: ICMPv6. */
  NEXT_ICMPV6: 58,
} as const;

/** RFC 792: offsets from the ICMP header. */
export const ICMP = {
  /** Offset of the type, 1 byte. */
  TYPE: 0,
  /** Offset of the code, 1 byte. */
  CODE: 1,
  /** Offset of the checksum of the whole message, 2 bytes. */
  CHECKSUM: 2,
  /** Length of the header of an echo message. */
  HEADER: 8,
  /** Type: echo reply. */
  ECHO_REPLY: 0,
  /** Type: echo request. */
  ECHO_REQUEST: 8,
} as const;

/** RFC 4443, 2.1, and RFC 4861, 4.3 and 4.4: offsets from the ICMPv6 header; type and code are as in ICMP. */
export const ICMPV6 = {
  /** Offset of the checksum of message and pseudo-header, 2 bytes. */
  CHECKSUM: 2,
  /** Offset of the flags of a neighbour advertisement, 4 bytes. */
  FLAGS: 4,
  /** Offset of the target of a neighbour message, 16 bytes. */
  TARGET: 8,
  /** Offset of the options of a neighbour message. */
  OPTIONS: 24,
  /** Type: echo request. */
  ECHO_REQUEST: 128,
  /** Type: echo reply. */
  ECHO_REPLY: 129,
  /** Type: neighbour solicitation. */
  SOLICITATION: 135,
  /** Type: neighbour advertisement. */
  ADVERTISEMENT: 136,
} as const;

/** RFC 768: offsets from the UDP header. TCP has its ports at the same places. */
export const UDP = {
  /** Offset of the source port, 2 bytes. */
  SOURCE_PORT: 0,
  /** Offset of the destination port, 2 bytes. */
  DESTINATION_PORT: 2,
  /** Offset of the length of header and payload, 2 bytes. */
  LENGTH: 4,
  /** Offset of the checksum, 2 bytes; 0 means none. */
  CHECKSUM: 6,
  /** Length of the header. */
  HEADER: 8,
} as const;

/** RFC 9260, 3.1: offsets from the SCTP common header. */
export const SCTP = {
  /** Offset of the checksum, 4 bytes, little-endian. */
  CHECKSUM: 8,
  /** Length of the header. */
  HEADER: 12,
} as const;

/** RFC 9293, 3.1: offsets from the TCP header. */
export const TCP = {
  /** Offset of the sequence number, 4 bytes. */
  SEQUENCE: 4,
  /** Offset of the acknowledgment number, 4 bytes. */
  ACKNOWLEDGMENT: 8,
  /** Offset of the header's length in words, the upper half of a byte. */
  DATA_OFFSET: 12,
  /** Offset of the flags, 1 byte. */
  FLAGS: 13,
  /** Offset of the window, 2 bytes. */
  WINDOW: 14,
  /** Offset of the checksum, 2 bytes. */
  CHECKSUM: 16,
  /** Length of a header without options. */
  HEADER: 20,
} as const;

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
