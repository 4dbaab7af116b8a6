// SPDX-License-Identifier: BSD-3-Clause
// The frame that the generator sends: a UDP frame. The ring engine writes a sequence number and a checksum of
// the payload after its headers.
import { PmdError } from '../../src/errors.ts';
import { UDP_FRAME_HEADERS, type UdpFlow, udpFrameHeaders } from '../../src/packet/frames.ts';
import { MAX_FRAME, MIN_FRAME } from './memory-plan.ts';

/**
 * Locally administered addresses, and the network of RFC 2544 for benchmarks. Queue pairs differ in the
 * source port.
 */
export function defaultFlow(pair: number): UdpFlow {
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
 * A frame of `size` bytes without FCS, with a payload of a repeating pattern. Throws VPCI_FRAME_SIZE outside
 * MIN_FRAME to MAX_FRAME.
 */
export function frameTemplate(size: number, flow: UdpFlow): Uint8Array {
  if (!Number.isInteger(size) || size < MIN_FRAME || size > MAX_FRAME) {
    throw new PmdError(
      'VPCI_FRAME_SIZE',
      `Failed to make a frame of ${size} bytes: a frame has ${MIN_FRAME} to ${MAX_FRAME} bytes without FCS`,
    );
  }
  const frame = new Uint8Array(size);
  frame.set(udpFrameHeaders(flow, size));
  for (let i = UDP_FRAME_HEADERS; i < size; i++) frame[i] = i;
  return frame;
}
