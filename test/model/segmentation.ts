// SPDX-License-Identifier: BSD-3-Clause
// TCP and UDP segmentation as a sender's own stack does it (RFC 9293, RFC 768, RFC 791, RFC 8200), written
// for clarity: a flow is described, and each frame is built from scratch, checksums included.

export interface Flow {
  readonly protocol: 'tcp' | 'udp';
  readonly ip: 4 | 6;
  /** VLAN tags. */
  readonly tags: readonly number[];
  /** Length in bytes: a multiple of 4 (IPv4), or of 8 (IPv6, one destination header). */
  readonly ipOptions: number;
  readonly tcpOptions: number;
  readonly tcpFlags: number;
  readonly sequence: number;
  readonly ipId: number;
  readonly addresses: Uint8Array;
}

const FIN = 0x01;
const PSH = 0x08;
const CWR = 0x80;

export const networkOffset = ({ tags }: Flow): number => 14 + 4 * tags.length;
export const transportOffset = (flow: Flow): number =>
  networkOffset(flow) + (flow.ip === 4 ? 20 : 40) + flow.ipOptions;
export const headerBytes = (flow: Flow): number =>
  transportOffset(flow) + (flow.protocol === 'tcp' ? 20 + flow.tcpOptions : 8);
export const checksumOffset = ({ protocol }: Flow): number => (protocol === 'tcp' ? 16 : 6);

/** The whole flow as one uncut frame; its checksum is that of the pseudo-header. */
export function uncut(flow: Flow, payload: Uint8Array): Uint8Array {
  const frame = headers(flow, payload);
  const at = transportOffset(flow);
  view(frame).setUint16(at + checksumOffset(flow), onesSum(pseudoHeader(flow, frame.length - at)));
  return frame;
}

/** The same flow in frames of `size` payload bytes, the first of which is number `from` of its flow. */
export function cut(flow: Flow, payload: Uint8Array, size: number): Uint8Array[] {
  const count = Math.max(1, Math.ceil(payload.length / size));
  return Array.from({ length: count }, (_, i) => {
    const part = {
      ...flow,
      sequence: (flow.sequence + i * size) >>> 0,
      ipId: (flow.ipId + i) & 0xffff,
      tcpFlags: flow.tcpFlags & (i === count - 1 ? 0xff : ~(FIN | PSH)) & (i === 0 ? 0xff : ~CWR),
    };
    const frame = headers(part, payload.subarray(i * size, (i + 1) * size));
    const at = transportOffset(flow);
    const sum = ~onesSum(pseudoHeader(part, frame.length - at), frame.subarray(at)) & 0xffff;
    view(frame).setUint16(at + checksumOffset(flow), sum || 0xffff);
    return frame;
  });
}

/** True if the checksums of a frame of this flow are correct. */
export function isIntact(flow: Flow, frame: Uint8Array): boolean {
  const [l3, l4] = [networkOffset(flow), transportOffset(flow)];
  if (flow.ip === 4 && onesSum(frame.subarray(l3, l4)) !== 0xffff) return false;
  return onesSum(pseudoHeader(flow, frame.length - l4), frame.subarray(l4)) === 0xffff;
}

function headers(flow: Flow, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes(flow) + payload.length);
  const data = view(frame);
  frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
  flow.tags.forEach((tag, i) => {
    data.setUint16(12 + 4 * i, i === 0 && flow.tags.length > 1 ? 0x88a8 : 0x8100);
    data.setUint16(14 + 4 * i, tag);
  });
  data.setUint16(networkOffset(flow) - 2, flow.ip === 4 ? 0x0800 : 0x86dd);
  if (flow.ip === 4) ipv4(flow, frame);
  else ipv6(flow, frame);
  const at = transportOffset(flow);
  data.setUint16(at, 40_000);
  data.setUint16(at + 2, 443);
  if (flow.protocol === 'tcp') {
    data.setUint32(at + 4, flow.sequence);
    data.setUint32(at + 8, 0x01020304);
    data.setUint8(at + 12, ((20 + flow.tcpOptions) / 4) << 4);
    data.setUint8(at + 13, flow.tcpFlags);
    data.setUint16(at + 14, 0x2000);
    frame.fill(1, at + 20, at + 20 + flow.tcpOptions);
  } else {
    data.setUint16(at + 4, 8 + payload.length);
  }
  frame.set(payload, headerBytes(flow));
  return frame;
}

function ipv4(flow: Flow, frame: Uint8Array): void {
  const at = networkOffset(flow);
  const data = view(frame);
  data.setUint8(at, 0x40 | ((20 + flow.ipOptions) / 4));
  data.setUint16(at + 2, frame.length - at);
  data.setUint16(at + 4, flow.ipId);
  data.setUint16(at + 6, 0x4000);
  data.setUint8(at + 8, 64);
  data.setUint8(at + 9, number(flow));
  frame.set(flow.addresses.subarray(0, 8), at + 12);
  frame.fill(1, at + 20, transportOffset(flow));
  data.setUint16(at + 10, ~onesSum(frame.subarray(at, transportOffset(flow))) & 0xffff);
}

function ipv6(flow: Flow, frame: Uint8Array): void {
  const at = networkOffset(flow);
  const data = view(frame);
  data.setUint32(at, 0x6000_1234);
  data.setUint16(at + 4, frame.length - at - 40);
  data.setUint8(at + 6, flow.ipOptions > 0 ? 60 : number(flow));
  data.setUint8(at + 7, 64);
  frame.set(flow.addresses, at + 8);
  if (flow.ipOptions > 0) frame.set([number(flow), flow.ipOptions / 8 - 1, 1, flow.ipOptions - 4], at + 40);
}

/**
 * The pseudo-header of RFC 9293, 3.1, and RFC 8200, 8.1. The fields are in neither order, which does not
 * change the sum.
 */
function pseudoHeader(flow: Flow, length: number): Uint8Array {
  const addresses = flow.addresses.subarray(0, flow.ip === 4 ? 8 : 32);
  const rest = Uint8Array.of(0, number(flow), (length >>> 24) & 0xff, length >>> 16, length >>> 8, length);
  return Uint8Array.of(...addresses, ...rest);
}

const number = ({ protocol }: Flow): number => (protocol === 'tcp' ? 6 : 17);

/** RFC 1071; each part starts a new word. */
function onesSum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) for (let i = 0; i < part.length; i++) sum += part[i] << (i % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
