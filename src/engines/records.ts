// SPDX-License-Identifier: BSD-3-Clause
// What an engine has to know of the peer's memory and of one of its rings, whichever session says it.

/** A piece of the peer's memory and where it lies in a window of the carrier. */
export interface RemoteRegion {
  /** Guest-physical address. */
  readonly gpa: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Number of the carrier's window: of a vhost-pci function, that of its BAR. */
  readonly window: number;
  /** Bytes from the window's start. */
  readonly offset: bigint;
}

/** One ring of the peer; addresses are guest-physical. */
export interface RemoteQueue {
  readonly lastAvailIdx: number;
  /** Generation of this ring assignment; goes into the position words. */
  readonly serial: number;
  readonly enabled: boolean;
  readonly num: number;
  readonly desc: bigint;
  readonly avail: bigint;
  readonly used: bigint;
}
