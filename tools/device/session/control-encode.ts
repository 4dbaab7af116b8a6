// SPDX-License-Identifier: BSD-3-Clause
// The control queue's messages as bytes (docs/device-abi.md, "Control queue"). Pure.
import { decode, encode } from '../../../src/abi/layout.ts';
import {
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
  VHOST_PCI_PEER_ANNOUNCE_BYTES,
  VHOST_PCI_PEER_MTU,
  VHOST_PCI_QUEUE_STOP,
  VHOST_PCI_REMOTE_MEM_PACKED_ENTRY,
  VHOST_PCI_REMOTE_MEM_PLACED_ENTRY,
  VHOST_PCI_REMOTE_QUEUE_ENTRY,
} from '../../../src/abi/vhost-pci.ts';
import type { PackedRegion, PlacedRegion } from '../vhost-user/bar-layout.ts';

export interface QueueRecord {
  readonly last_avail_idx: number;
  readonly serial: number;
  readonly vring_enable: number;
  readonly vring_num: number;
  readonly desc_gpa: bigint;
  readonly avail_gpa: bigint;
  readonly used_gpa: bigint;
}

export interface QueueStopped {
  readonly index: number;
  readonly last_avail_idx: number;
  readonly token: number;
}

const HEAD = VHOST_PCI_CTRL_HDR.size;

export function peerFeaturesMessage(features: bigint): Uint8Array {
  const { bytes, view } = message(VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_PEER_FEATURES, 8);
  view.setBigUint64(HEAD, features, true);
  return bytes;
}

/** An MTU of 0 means none. */
export function peerMtuMessage(mtu: number): Uint8Array {
  const { bytes, view } = message(
    VHOST_PCI_CTRL_SESSION,
    VHOST_PCI_CTRL_SESSION_PEER_MTU,
    VHOST_PCI_PEER_MTU.size,
  );
  encode(VHOST_PCI_PEER_MTU, { mtu }, view, HEAD);
  return bytes;
}

export function peerAnnounceMessage(mac: Uint8Array): Uint8Array {
  const { bytes } = message(
    VHOST_PCI_CTRL_SESSION,
    VHOST_PCI_CTRL_SESSION_PEER_ANNOUNCE,
    VHOST_PCI_PEER_ANNOUNCE_BYTES,
  );
  bytes.set(mac.subarray(0, 6), HEAD);
  return bytes;
}

/** Truncates the text to the length that a message may have. */
export function linkReasonMessage(text: string): Uint8Array {
  const words = new TextEncoder().encode(text).subarray(0, VHOST_PCI_LINK_REASON_MAX);
  const { bytes } = message(VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_LINK_REASON, words.length);
  bytes.set(words, HEAD);
  return bytes;
}

export function placedMemoryMessage(regions: readonly PlacedRegion[]): Uint8Array {
  const entry = VHOST_PCI_REMOTE_MEM_PLACED_ENTRY;
  const payload = regions.length * entry.size;
  const { bytes, view } = message(VHOST_PCI_CTRL_REMOTE_MEM, VHOST_PCI_CTRL_REMOTE_MEM_PLACED, payload);
  for (const [i, region] of regions.entries()) encode(entry, { ...region }, view, HEAD + i * entry.size);
  return bytes;
}

export function packedMemoryMessage(regions: readonly PackedRegion[]): Uint8Array {
  const entry = VHOST_PCI_REMOTE_MEM_PACKED_ENTRY;
  const payload = regions.length * entry.size;
  const { bytes, view } = message(VHOST_PCI_CTRL_REMOTE_MEM, VHOST_PCI_CTRL_REMOTE_MEM_PACKED, payload);
  for (const [i, region] of regions.entries()) encode(entry, { ...region }, view, HEAD + i * entry.size);
  return bytes;
}

export function queuesMessage(records: readonly QueueRecord[]): Uint8Array {
  const entry = VHOST_PCI_REMOTE_QUEUE_ENTRY;
  const { bytes, view } = message(VHOST_PCI_CTRL_REMOTE_QUEUES, 0, records.length * entry.size);
  for (const [i, record] of records.entries()) encode(entry, { ...record }, view, HEAD + i * entry.size);
  return bytes;
}

export function queueStopMessage(index: number, token: number): Uint8Array {
  const payload = VHOST_PCI_QUEUE_STOP.size;
  const { bytes, view } = message(VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_QUEUE_STOP, payload);
  encode(VHOST_PCI_QUEUE_STOP, { index, token }, view, HEAD);
  return bytes;
}

/** Parses QUEUE_STOPPED, the only message that a driver sends; null for any other message. */
export function parseQueueStopped(view: DataView): QueueStopped | null {
  if (view.byteLength < HEAD + VHOST_PCI_QUEUE_STOP.size) return null;
  const head = decode(VHOST_PCI_CTRL_HDR, view);
  if (head.class !== VHOST_PCI_CTRL_SESSION || head.cmd !== VHOST_PCI_CTRL_SESSION_QUEUE_STOPPED) return null;
  if (head.size !== HEAD + VHOST_PCI_QUEUE_STOP.size) return null;
  return decode(VHOST_PCI_QUEUE_STOP, view, HEAD);
}

function message(klass: number, cmd: number, payload: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(HEAD + payload);
  const view = new DataView(bytes.buffer);
  encode(VHOST_PCI_CTRL_HDR, { class: klass, cmd, size: bytes.length }, view);
  return { bytes, view };
}
