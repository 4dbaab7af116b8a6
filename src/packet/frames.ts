// SPDX-License-Identifier: BSD-3-Clause
// The frame that txonly sends: UDP in IPv4, addresses of RFC 2544's benchmark range, discard port, no UDP checksum.
import { macBytes } from './mac.ts';

/** Ethernet, IPv4 and UDP headers. */
export const UDP_FRAME_HEADERS = 14 + 20 + 8;

/** The headers of a frame of `length` bytes, frame check sequence not counted. */
export function udpFrameHeaders(destination: string, source: string, length: number): Uint8Array {
  const frame = new Uint8Array(UDP_FRAME_HEADERS);
  const view = new DataView(frame.buffer);
  frame.set(macBytes(destination), 0);
  frame.set(macBytes(source), 6);
  view.setUint16(12, 0x0800);
  frame.set([0x45, 0], 14);
  view.setUint16(16, length - 14);
  frame.set([64, 17], 22);
  frame.set([198, 18, 0, 1], 26);
  frame.set([198, 18, 0, 2], 30);
  view.setUint16(24, internetChecksum(view, 14, 20));
  view.setUint16(34, 9);
  view.setUint16(36, 9);
  view.setUint16(38, length - 34);
  return frame;
}

/** RFC 1071, over an even number of bytes. */
function internetChecksum(view: DataView, offset: number, length: number): number {
  let sum = 0;
  for (let i = offset; i < offset + length; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
