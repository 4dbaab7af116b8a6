// SPDX-License-Identifier: BSD-3-Clause
// Descriptions of the peer's memory and of one of its rings for an engine, independent of the session.

/** A region of the peer's memory and its place in a window of the carrier. */
export interface RemoteRegion {
  /** Guest-physical address. */
  readonly gpa: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Number of the carrier's window: for a vhost-pci function, the number of the BAR. */
  readonly window: number;
  /** Bytes from the window's start. */
  readonly offset: bigint;
}

/** One ring of the peer; addresses are guest-physical. */
export interface RemoteQueue {
  readonly lastAvailIdx: number;
  /** Generation of the ring; stored in the position words. */
  readonly serial: number;
  readonly enabled: boolean;
  readonly num: number;
  readonly desc: bigint;
  readonly avail: bigint;
  readonly used: bigint;
}
