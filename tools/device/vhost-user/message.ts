// SPDX-License-Identifier: BSD-3-Clause
// A vhost-user message as its handler sees it: the request, what it may act on, and its row in the table.
import { type VHOST_USER, VHOST_USER_U64 } from '../../../src/abi/vhost-user.ts';
import type { EventfdRoles } from '../eventfd/eventfd-roles.ts';
import type { ConnectedPeer, PeerRing } from './peer.ts';

/** What messages act on besides the peer's own state. */
export interface PeerHost {
  /** Limit on the total bytes of a peer's memory files; unlimited when omitted. */
  readonly maxPeerMemory?: number;
  /** Shared with the driver's side; omitted where there is none. */
  readonly eventfds?: EventfdRoles;
  /** Feature bits for GET_FEATURES. */
  readonly offeredFeatures: bigint;
  /** The peer negotiated these features; throws ProtocolError when the driver cannot work with them. */
  acceptFeatures(features: bigint): void;
  readonly session: {
    /** Resolves when no driver is working these rings any more (D6). */
    stopRings(rings: readonly PeerRing[]): Promise<void>;
  };
  readonly kicks: {
    /** The ring has a kick descriptor: starts relaying it. */
    watch(ring: PeerRing): void;
    /** The ring's kick descriptor is about to be closed. */
    unwatch(ring: PeerRing): void;
  };
}

export interface Request {
  readonly peer: ConnectedPeer;
  readonly host: PeerHost;
  readonly payload: DataView;
  readonly fds: number[];
}

/** A reply's payload; undefined for messages without a reply. */
export type Reply = undefined | Uint8Array;

export interface MessageHandler {
  readonly name: keyof typeof VHOST_USER;
  readonly minPayload: number;
  readonly maxPayload: number;
  /** Number of descriptors; a handler whose number depends on the payload checks that itself. */
  readonly minFds: number;
  readonly maxFds: number;
  /** The message has a reply of its own, so REPLY_ACK does not apply. */
  readonly replies: boolean;
  /** Protocol feature that must be negotiated first. */
  readonly needs?: number;
  // biome-ignore lint/suspicious/noConfusingVoidType: handlers without a reply simply end.
  readonly handle: (request: Request) => void | Reply | Promise<void | Reply>;
}

/** Limit of a function (docs/device-abi.md). */
export const MAX_QUEUE_PAIRS = 128;

export function u64(value: bigint): Uint8Array {
  const data = new Uint8Array(VHOST_USER_U64.size);
  new DataView(data.buffer).setBigUint64(0, value, true);
  return data;
}
