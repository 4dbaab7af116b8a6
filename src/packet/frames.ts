// SPDX-License-Identifier: BSD-3-Clause
// UDP frames that any switch or packet tool accepts.
import { requireInteger, requireOptions } from '../arguments.ts';
import { writeInt32BE, writeUint16BE } from './bytes.ts';
import { internetChecksum } from './checksum.ts';
import { ETHER, IPV4, UDP } from './headers.ts';
import { ipv4Number } from './ipv4.ts';
import { macBytes } from './mac.ts';

/** Length in bytes of the headers of a UDP frame. */
export const UDP_FRAME_HEADERS = ETHER.HEADER + IPV4.HEADER + UDP.HEADER;
/** With the largest IPv4 packet (RFC 791, 3.1: Total Length). */
const MAX_FRAME = ETHER.HEADER + 0xffff;
const TIME_TO_LIVE = 64;
const MAX_PORT = 0xffff;
const FLOW = ['sourceMac', 'destinationMac', 'sourceIp', 'destinationIp', 'sourcePort', 'destinationPort'];

/** The addresses of a UDP flow over IPv4. */
export interface UdpFlow {
  /** "02:00:00:00:00:01" */
  readonly sourceMac: string;
  /** "02:00:00:00:00:02" */
  readonly destinationMac: string;
  /** "198.18.0.1" */
  readonly sourceIp: string;
  /** "198.18.0.2" */
  readonly destinationIp: string;
  /** 0 to 65535. */
  readonly sourcePort: number;
  /** 0 to 65535. */
  readonly destinationPort: number;
}

/**
 * The headers of a frame of `length` bytes, from {@link UDP_FRAME_HEADERS} (42) to 65549 (the largest IPv4
 * packet, RFC 791), not counting the frame check sequence; without a UDP checksum (0 means "none", RFC 768).
 * Throws VPCI_MAC for an invalid MAC address, VPCI_ARGUMENT for anything else that is wrong.
 */
export function udpFrameHeaders(flow: UdpFlow, length: number): Uint8Array {
  const call = 'udpFrameHeaders()';
  requireOptions(call, 'flow', flow, FLOW);
  requireInteger(call, 'sourcePort', flow.sourcePort, 0, MAX_PORT);
  requireInteger(call, 'destinationPort', flow.destinationPort, 0, MAX_PORT);
  requireInteger(call, 'length', length, UDP_FRAME_HEADERS, MAX_FRAME);
  const frame = new Uint8Array(UDP_FRAME_HEADERS);
  frame.set(macBytes(flow.destinationMac), ETHER.DESTINATION);
  frame.set(macBytes(flow.sourceMac), ETHER.SOURCE);
  writeUint16BE(frame, ETHER.TYPE, ETHER.TYPE_IPV4);
  writeIpv4(frame, length - ETHER.HEADER, flow);
  const udp = ETHER.HEADER + IPV4.HEADER;
  writeUint16BE(frame, udp + UDP.SOURCE_PORT, flow.sourcePort);
  writeUint16BE(frame, udp + UDP.DESTINATION_PORT, flow.destinationPort);
  writeUint16BE(frame, udp + UDP.LENGTH, length - udp);
  return frame;
}

/** RFC 791, 3.1. */
function writeIpv4(frame: Uint8Array, length: number, flow: UdpFlow): void {
  const ip = ETHER.HEADER;
  frame[ip] = 0x45; // version 4, five words
  writeUint16BE(frame, ip + IPV4.TOTAL_LENGTH, length);
  frame[ip + IPV4.TTL] = TIME_TO_LIVE;
  frame[ip + IPV4.PROTOCOL] = IPV4.PROTOCOL_UDP;
  writeInt32BE(frame, ip + IPV4.SOURCE, ipv4Number(flow.sourceIp));
  writeInt32BE(frame, ip + IPV4.DESTINATION, ipv4Number(flow.destinationIp));
  writeUint16BE(frame, ip + IPV4.CHECKSUM, internetChecksum(frame, ip, IPV4.HEADER));
}
