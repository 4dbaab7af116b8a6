// SPDX-License-Identifier: BSD-3-Clause
// Parser of control queue messages (docs/device-abi.md, "Control queue"). Pure functions over a private copy
// of the bytes; an invalid message results in a reason, never in an exception.
import { decode, encode } from '../abi/layout.ts';
import {
  MIN_MTU,
  VHOST_PCI_CTRL_HDR,
  VHOST_PCI_CTRL_REMOTE_MEM,
  VHOST_PCI_CTRL_REMOTE_MEM_PACKED,
  VHOST_PCI_CTRL_REMOTE_MEM_PLACED,
  VHOST_PCI_CTRL_REMOTE_QUEUES,
  VHOST_PCI_CTRL_SESSION,
  VHOST_PCI_CTRL_SESSION_LINK_REASON,
  VHOST_PCI_CTRL_SESSION_PEER_ANNOUNCE,
  VHOST_PCI_CTRL_SESSION_PEER_FEATURES,
  VHOST_PCI_CTRL_SESSION_PEER_MTU,
  VHOST_PCI_CTRL_SESSION_QUEUE_STOP,
  VHOST_PCI_CTRL_SESSION_QUEUE_STOPPED,
  VHOST_PCI_LINK_REASON_MAX,
  VHOST_PCI_MEMORY_BARS,
  VHOST_PCI_PEER_ANNOUNCE_BYTES,
  VHOST_PCI_PEER_MTU,
  VHOST_PCI_QUEUE_STOP,
  VHOST_PCI_REMOTE_MEM_PACKED_ENTRY,
  VHOST_PCI_REMOTE_MEM_PLACED_ENTRY,
  VHOST_PCI_REMOTE_QUEUE_ENTRY,
} from '../abi/vhost-pci.ts';
import type { RemoteQueue, RemoteRegion } from '../engines/records.ts';

export type ControlMessage =
  | { readonly type: 'memory'; readonly regions: readonly RemoteRegion[] }
  /** Entry 2i is the ring of TX engine i, 2i+1 that of RX engine i. */
  | { readonly type: 'queues'; readonly queues: readonly RemoteQueue[] }
  | { readonly type: 'peer-features'; readonly features: bigint }
  /** 0: the peer sent none. */
  | { readonly type: 'peer-mtu'; readonly mtu: number }
  | { readonly type: 'peer-announce'; readonly mac: Uint8Array }
  /** Why the link is down: printable, one line. */
  | { readonly type: 'link-reason'; readonly text: string }
  | { readonly type: 'queue-stop'; readonly index: number; readonly token: number }
  | { readonly type: 'malformed'; readonly reason: string };

export interface MessageLimits {
  /** vq_pairs of the device. */
  readonly queuePairs: number;
  /** True if SESSION is negotiated: class 2 and the placed form exist. */
  readonly session: boolean;
}

/** Maximum number of regions in a message (docs/device-abi.md: buffers hold 16 placed ones). */
export const MAX_REMOTE_REGIONS = 16;

/** Size of a buffer that holds any message (docs/device-abi.md, "Control queue"). */
export const controlBufferBytes = (queuePairs: number): number =>
  VHOST_PCI_CTRL_HDR.size +
  Math.max(
    2 * VHOST_PCI_REMOTE_QUEUE_ENTRY.size * queuePairs,
    VHOST_PCI_REMOTE_MEM_PLACED_ENTRY.size * MAX_REMOTE_REGIONS,
  );

const malformed = (reason: string): ControlMessage => ({ type: 'malformed', reason });

/** Parses the message in `bytes`, whose length is what the device reported as written. */
export function parseMessage(bytes: Uint8Array, limits: MessageLimits): ControlMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < VHOST_PCI_CTRL_HDR.size)
    return malformed(`${view.byteLength} bytes are too few for a header`);
  const header = decode(VHOST_PCI_CTRL_HDR, view);
  if (header.size < VHOST_PCI_CTRL_HDR.size || header.size > view.byteLength) {
    return malformed(`size ${header.size} in a message of ${view.byteLength} bytes`);
  }
  const payload = new DataView(
    bytes.buffer,
    bytes.byteOffset + VHOST_PCI_CTRL_HDR.size,
    header.size - VHOST_PCI_CTRL_HDR.size,
  );
  if (header.class === VHOST_PCI_CTRL_REMOTE_MEM) return parseMemory(header.cmd, payload, limits);
  if (header.class === VHOST_PCI_CTRL_REMOTE_QUEUES && header.cmd === 0) return parseQueues(payload, limits);
  if (header.class === VHOST_PCI_CTRL_SESSION && limits.session)
    return parseSession(header.cmd, payload, limits);
  return malformed(`unknown class ${header.class} command ${header.cmd}`);
}

function parseMemory(cmd: number, payload: DataView, limits: MessageLimits): ControlMessage {
  if (cmd === VHOST_PCI_CTRL_REMOTE_MEM_PACKED)
    return checkRegions(payload, VHOST_PCI_REMOTE_MEM_PACKED_ENTRY.size, packed);
  if (cmd === VHOST_PCI_CTRL_REMOTE_MEM_PLACED && limits.session) {
    return checkRegions(payload, VHOST_PCI_REMOTE_MEM_PLACED_ENTRY.size, placed);
  }
  return malformed(`unknown REMOTE_MEM command ${cmd}`);
}

/** Region i starts in BAR 2 at the sum of the sizes before it. */
function packed(payload: DataView, count: number): RemoteRegion[] {
  let offset = 0n;
  return Array.from({ length: count }, (_, index) => {
    const base = index * VHOST_PCI_REMOTE_MEM_PACKED_ENTRY.size;
    const { gpa, size } = decode(VHOST_PCI_REMOTE_MEM_PACKED_ENTRY, payload, base);
    const region = { gpa, size, window: VHOST_PCI_MEMORY_BARS[0], offset };
    offset += size;
    return region;
  });
}

function placed(payload: DataView, count: number): RemoteRegion[] {
  return Array.from({ length: count }, (_, index) => {
    const base = index * VHOST_PCI_REMOTE_MEM_PLACED_ENTRY.size;
    const { gpa, size, offset, bar } = decode(VHOST_PCI_REMOTE_MEM_PLACED_ENTRY, payload, base);
    return { gpa, size, window: bar, offset };
  });
}

function checkRegions(
  payload: DataView,
  entryBytes: number,
  read: (payload: DataView, count: number) => RemoteRegion[],
): ControlMessage {
  if (payload.byteLength % entryBytes !== 0) return malformed(`REMOTE_MEM of ${payload.byteLength} bytes`);
  const count = payload.byteLength / entryBytes;
  if (count > MAX_REMOTE_REGIONS) return malformed(`REMOTE_MEM of ${count} regions`);
  const regions = read(payload, count);
  for (const region of regions) {
    const { gpa, size, window, offset } = region;
    if (!(VHOST_PCI_MEMORY_BARS as readonly number[]).includes(window))
      return malformed(`a region in BAR ${window}`);
    if (size === 0n) return malformed('a region of 0 bytes');
    if (gpa + size > 1n << 64n) return malformed(`a region of ${size} bytes at 0x${gpa.toString(16)}`);
    if (offset + size > BigInt(Number.MAX_SAFE_INTEGER))
      return malformed(`a region at offset ${offset} of a BAR`);
    if (regions.some((other) => other !== region && overlap(other, region)))
      return malformed('regions overlap');
  }
  return { type: 'memory', regions };
}

const overlap = (a: RemoteRegion, b: RemoteRegion): boolean =>
  a.gpa < b.gpa + b.size && b.gpa < a.gpa + a.size;

function parseQueues(payload: DataView, limits: MessageLimits): ControlMessage {
  const entry = VHOST_PCI_REMOTE_QUEUE_ENTRY;
  const count = 2 * limits.queuePairs;
  if (payload.byteLength !== count * entry.size) {
    return malformed(`REMOTE_QUEUES of ${payload.byteLength} bytes for ${count} queues`);
  }
  const queues = Array.from({ length: count }, (_, index) => {
    const record = decode(entry, payload, index * entry.size);
    return {
      lastAvailIdx: record.last_avail_idx,
      serial: record.serial,
      enabled: record.vring_enable !== 0,
      num: record.vring_num,
      desc: record.desc_gpa,
      avail: record.avail_gpa,
      used: record.used_gpa,
    };
  });
  return { type: 'queues', queues };
}

function parseSession(cmd: number, payload: DataView, limits: MessageLimits): ControlMessage {
  if (cmd === VHOST_PCI_CTRL_SESSION_PEER_FEATURES) {
    if (payload.byteLength !== 8) return malformed(`PEER_FEATURES of ${payload.byteLength} bytes`);
    return { type: 'peer-features', features: payload.getBigUint64(0, true) };
  }
  if (cmd === VHOST_PCI_CTRL_SESSION_PEER_MTU) return parseMtu(payload);
  if (cmd === VHOST_PCI_CTRL_SESSION_PEER_ANNOUNCE) return parseAnnounce(payload);
  if (cmd === VHOST_PCI_CTRL_SESSION_LINK_REASON) return parseReason(payload);
  if (cmd !== VHOST_PCI_CTRL_SESSION_QUEUE_STOP) return malformed(`unknown SESSION command ${cmd}`);
  if (payload.byteLength !== VHOST_PCI_QUEUE_STOP.size)
    return malformed(`QUEUE_STOP of ${payload.byteLength} bytes`);
  const { index, token } = decode(VHOST_PCI_QUEUE_STOP, payload);
  if (index >= 2 * limits.queuePairs) return malformed(`QUEUE_STOP of queue ${index}`);
  return { type: 'queue-stop', index, token };
}

/** The text is shown on a terminal: it must not contain control sequences or line breaks. */
function parseReason(payload: DataView): ControlMessage {
  if (payload.byteLength > VHOST_PCI_LINK_REASON_MAX)
    return malformed(`LINK_REASON of ${payload.byteLength} bytes`);
  const text = new TextDecoder().decode(payload);
  return { type: 'link-reason', text: text.replace(/[\p{C}\p{Zl}\p{Zp}\ufffd]/gu, '?') };
}

function parseMtu(payload: DataView): ControlMessage {
  if (payload.byteLength !== VHOST_PCI_PEER_MTU.size)
    return malformed(`PEER_MTU of ${payload.byteLength} bytes`);
  const { mtu } = decode(VHOST_PCI_PEER_MTU, payload);
  return mtu !== 0 && mtu < MIN_MTU ? malformed(`an MTU of ${mtu}`) : { type: 'peer-mtu', mtu };
}

function parseAnnounce(payload: DataView): ControlMessage {
  if (payload.byteLength !== VHOST_PCI_PEER_ANNOUNCE_BYTES)
    return malformed(`PEER_ANNOUNCE of ${payload.byteLength} bytes`);
  const mac = new Uint8Array(payload.buffer, payload.byteOffset, 6).slice();
  if ((mac[0] ?? 1) & 1) return malformed('a multicast address to announce');
  return mac.some((byte) => byte !== 0)
    ? { type: 'peer-announce', mac }
    : malformed('an all-zero address to announce');
}

/** Bytes of a QUEUE_STOPPED message. */
export const QUEUE_STOPPED_BYTES = VHOST_PCI_CTRL_HDR.size + VHOST_PCI_QUEUE_STOP.size;

/** Encodes QUEUE_STOPPED: queue `index` is quiescent, `lastAvailIdx` is the next entry that was not taken. */
export function encodeQueueStopped(index: number, lastAvailIdx: number, token: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(QUEUE_STOPPED_BYTES));
  const header = {
    class: VHOST_PCI_CTRL_SESSION,
    cmd: VHOST_PCI_CTRL_SESSION_QUEUE_STOPPED,
    size: QUEUE_STOPPED_BYTES,
  };
  encode(VHOST_PCI_CTRL_HDR, header, view);
  encode(VHOST_PCI_QUEUE_STOP, { index, last_avail_idx: lastAvailIdx, token }, view, VHOST_PCI_CTRL_HDR.size);
  return new Uint8Array(view.buffer);
}
