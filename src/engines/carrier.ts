// SPDX-License-Identifier: BSD-3-Clause
// The interface between engines and the peer: memory that both map, signals in both directions, link and
// removal. Engines depend on it alone, not on the bus below nor on the session that negotiates over it.
import type { DriverArea, MappingHandle } from '../native.ts';

/** 'tx' fills a ring on which the peer receives, 'rx' drains one on which it sends. */
export type EngineRole = 'rx' | 'tx';

/** A part of a window mapped into this process. */
export interface SharedArea {
  readonly mapping: MappingHandle;
  /** Bytes from the window's start. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** False where only the peer may write: its output section, or the state table, of an ivshmem. */
  readonly writable: boolean;
  /** Its pages may never arrive, so a read may block forever. */
  readonly mayHang?: boolean;
}

/** A reset changes doorbells and driver areas, so engines query them at each start and do not keep them. */
export interface Carrier {
  /** "0000:00:04.0", or the socket's path. */
  readonly name: string;
  /**
   * Maps the current areas of window `window` of shared memory; empty if there are none. The caller unmaps.
   */
  mapWindow(window: number): readonly SharedArea[];
  /** The window's name for users: "BAR 2". */
  windowName(window: number): string;
  /** Eventfd by which engine `role` of `pair` signals the peer, from any thread; -1 for none. */
  doorbell(role: EngineRole, pair: number): number;
  /**
   * Eventfd on which a thread sleeps for RX engine `pair`: signalled by the peer, and by us to wake the
   * thread. -1 if the ring can only be polled.
   */
  interruptFd(pair: number): number;
  /** Words that engine `role` of `pair` shares with the device (positions, gate); null for none. */
  driverArea(role: EngineRole, pair: number): DriverArea | null;
  /** Calls back when the link changes, before the session reports it. One handler: that of the engine set. */
  onLink(handler: (up: boolean) => void): void;
  /** Calls back once when the carrier and its memory are gone. One handler: that of the engine set. */
  onRemoved(handler: () => void): void;
}
