// SPDX-License-Identifier: BSD-3-Clause
// Ethernet, IPv4 and UDP headers, and UDP frames that any switch or packet tool accepts.
import { internetChecksum } from './checksum.ts';
import { macBytes } from './mac.ts';

export const ETHER_HEADER = 14;
export const VLAN_TAG = 4;
export const IPV4_HEADER = 20;
export const UDP_HEADER = 8;
/** Length in bytes of the headers of a UDP frame. */
export const UDP_FRAME_HEADERS = ETHER_HEADER + IPV4_HEADER + UDP_HEADER;

export const ETHER_TYPE_IPV4 = 0x0800;
export const ETHER_TYPE_ARP = 0x0806;
export const ETHER_TYPE_VLAN = 0x8100;

export const IP_PROTOCOL_ICMP = 1;
const IP_PROTOCOL_UDP = 17;

export interface UdpFlow {
  /** "02:00:00:00:00:01" */
  readonly sourceMac: string;
  readonly destinationMac: string;
  /** "198.18.0.1" */
  readonly sourceIp: string;
  readonly destinationIp: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/**
 * The headers of a frame of `length` bytes, not counting the frame check sequence, without a UDP checksum (0
 * means "none", RFC 768). Throws VPCI_MAC for an invalid address.
 */
export function udpFrameHeaders(flow: UdpFlow, length: number): Uint8Array {
  const frame = new Uint8Array(UDP_FRAME_HEADERS);
  const view = new DataView(frame.buffer);
  frame.set(macBytes(flow.destinationMac), 0);
  frame.set(macBytes(flow.sourceMac), 6);
  view.setUint16(12, ETHER_TYPE_IPV4);
  writeIpv4(frame, view, length - ETHER_HEADER, flow);
  const udp = ETHER_HEADER + IPV4_HEADER;
  view.setUint16(udp, flow.sourcePort);
  view.setUint16(udp + 2, flow.destinationPort);
  view.setUint16(udp + 4, length - udp);
  return frame;
}

/** RFC 791, 3.1. */
function writeIpv4(frame: Uint8Array, view: DataView, length: number, flow: UdpFlow): void {
  const ip = ETHER_HEADER;
  frame[ip] = 0x45; // version 4, five words
  view.setUint16(ip + 2, length);
  frame[ip + 8] = 64; // time to live
  frame[ip + 9] = IP_PROTOCOL_UDP;
  frame.set(ipv4Bytes(flow.sourceIp), ip + 12);
  frame.set(ipv4Bytes(flow.destinationIp), ip + 16);
  view.setUint16(ip + 10, internetChecksum(frame, ip, IPV4_HEADER));
}

const ipv4Bytes = (address: string): number[] => address.split('.').map(Number);
