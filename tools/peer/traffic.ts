// SPDX-License-Identifier: BSD-3-Clause
// The frame that the generator sends: Ethernet, IPv4 and UDP headers that any switch or packet tool accepts. The ring
// engine writes a sequence number and a checksum of the payload behind them. UDP checksum 0 means "none" (RFC 768).
import { PmdError } from '../../src/errors.ts';
import { MAX_FRAME, MIN_FRAME } from './layout.ts';

export const ETHER_HEADER = 14;
export const IPV4_HEADER = 20;
export const UDP_HEADER = 8;
/** Bytes before the payload. */
export const FRAME_HEADERS = ETHER_HEADER + IPV4_HEADER + UDP_HEADER;

export interface Flow {
  /** "02:00:00:00:00:01" */
  readonly sourceMac: string;
  readonly destinationMac: string;
  /** "198.18.0.1" */
  readonly sourceIp: string;
  readonly destinationIp: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** Locally administered addresses, and the network of RFC 2544 for benchmarks. Queue pairs differ in the source port. */
export function defaultFlow(pair: number): Flow {
  return {
    sourceMac: '02:00:00:00:00:01',
    destinationMac: '02:00:00:00:00:02',
    sourceIp: '198.18.0.1',
    destinationIp: '198.18.0.2',
    sourcePort: 49152 + pair,
    destinationPort: 9,
  };
}

/**
 * A frame of `size` bytes, FCS not included, with a payload of a repeating pattern.
 * Throws VPCI_FRAME_SIZE outside MIN_FRAME to MAX_FRAME.
 */
export function frameTemplate(size: number, flow: Flow): Uint8Array {
  if (!Number.isInteger(size) || size < MIN_FRAME || size > MAX_FRAME) {
    throw new PmdError(
      'VPCI_FRAME_SIZE',
      `Failed to make a frame of ${size} bytes: a frame has ${MIN_FRAME} to ${MAX_FRAME} bytes without FCS`,
    );
  }
  const frame = new Uint8Array(size);
  const view = new DataView(frame.buffer);
  frame.set(parseMac(flow.destinationMac), 0);
  frame.set(parseMac(flow.sourceMac), 6);
  view.setUint16(12, 0x0800);
  writeIpv4(view, ETHER_HEADER, size - ETHER_HEADER, flow);
  view.setUint16(34, flow.sourcePort);
  view.setUint16(36, flow.destinationPort);
  view.setUint16(38, size - ETHER_HEADER - IPV4_HEADER);
  for (let i = FRAME_HEADERS; i < size; i++) frame[i] = i;
  return frame;
}

/** RFC 791, 3.1. */
function writeIpv4(view: DataView, base: number, length: number, flow: Flow): void {
  view.setUint8(base, 0x45); // version 4, five words
  view.setUint16(base + 2, length);
  view.setUint8(base + 8, 64); // time to live
  view.setUint8(base + 9, 17); // UDP
  view.setUint32(base + 12, parseIpv4(flow.sourceIp));
  view.setUint32(base + 16, parseIpv4(flow.destinationIp));
  view.setUint16(base + 10, internetChecksum(view, base, IPV4_HEADER));
}

/** RFC 1071 over `length` bytes, which is even. */
export function internetChecksum(view: DataView, offset: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i += 2) sum += view.getUint16(offset + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function parseMac(text: string): number[] {
  return text.split(':').map((byte) => Number.parseInt(byte, 16));
}

function parseIpv4(text: string): number {
  return text.split('.').reduce((value, byte) => ((value << 8) | Number(byte)) >>> 0, 0);
}
