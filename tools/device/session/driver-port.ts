// SPDX-License-Identifier: BSD-3-Clause
// The driver's side as the session sees it, and what it reports to the session. driver-link.ts implements it.
import type { FileIdentity } from '../vhost-user/bar-layout.ts';
import type { PeerRing } from '../vhost-user/peer.ts';
import type { DriverGates } from './driver-gates.ts';
import type { PositionWords } from './driver-positions.ts';

export interface DriverPort {
  /** DRIVER_OK, with a working control queue. */
  readonly ready: boolean;
  readonly features: bigint;
  /** All messages have been delivered. */
  readonly drained: boolean;
  /** Its gate words; null for a driver without GATE, or one that has left. */
  readonly gates: DriverGates | null;
  /** Reports to `events` from now on. */
  attach(events: DriverEvents): void;
  send(message: Uint8Array): void;
  setLink(up: boolean): void;
  /** Raises the vector of a local queue. */
  interrupt(queue: number): void;
  /** The driver broke the contract: DEVICE_NEEDS_RESET. */
  fail(reason: string): void;
  /** Ends its connection. */
  disconnect(reason: string): void;
  /** False when the client has mapped a memory BAR that shows another file now. */
  showsToClient(files: ReadonlyMap<number, FileIdentity>): boolean;
  /** The position that its memory holds for this ring of the peer; null when it cannot be read. */
  positionIn(ring: PeerRing): PositionWords | null;
}

export interface DriverEvents {
  /** A message of the driver. */
  handleMessage(message: DataView): void;
  /** It is ready, or has taken messages. */
  sync(): void;
  /** It left, failed or was reset. Its memory can still be read. */
  driverGone(): void;
}

/** The peer's RX ring is our TX queue of the pair, and vice versa. */
export const crossed = (queue: number): number => queue ^ 1;
