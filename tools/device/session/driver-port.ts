// SPDX-License-Identifier: BSD-3-Clause
// The driver's side as the session sees it, and the events that it reports to the session. driver-link.ts
// implements it.
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
  /** The driver's gate words; null for a driver without GATE, or one that has left. */
  readonly gates: DriverGates | null;
  /** Reports to `events` from now on. */
  attach(events: DriverEvents): void;
  send(message: Uint8Array): void;
  setLink(up: boolean): void;
  /** Raises the vector of a local queue. */
  interrupt(queue: number): void;
  /** The driver broke the contract: DEVICE_NEEDS_RESET. */
  fail(reason: string): void;
  /** Ends the driver's connection. */
  disconnect(reason: string): void;
  /** False when the client may have mapped a memory BAR that now shows a different file. */
  showsToClient(files: ReadonlyMap<number, FileIdentity>): boolean;
  /** The position words in the driver's memory for this ring of the peer; null when they cannot be read. */
  positionIn(ring: PeerRing): PositionWords | null;
}

export interface DriverEvents {
  /** The driver sent a message. */
  handleMessage(message: DataView): void;
  /** The driver is ready, or has taken messages. */
  sync(): void;
  /** The driver left, failed or was reset. Its memory can still be read. */
  driverGone(): void;
}

/** The peer's RX ring is our TX queue of the pair, and vice versa. */
export const crossed = (queue: number): number => queue ^ 1;
