// SPDX-License-Identifier: BSD-3-Clause
// What lies between engines and the peer, whatever it is made of: memory that both map, signals both ways,
// link and removal. Engines know this, and neither the bus below it nor the session that negotiates over it.
import type { DriverArea, MappingHandle } from '../native.ts';

/** 'tx' fills a ring on which the peer receives, 'rx' drains one on which it sends. */
export type EngineRole = 'rx' | 'tx';

/** A part of a window that is mapped into this process. */
export interface SharedArea {
  readonly mapping: MappingHandle;
  /** Bytes from the window's start. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** False where the peer alone may write: its output section, or the state table, of an ivshmem. */
  readonly writable: boolean;
  /** Its pages may never arrive, so that a read may block for ever. */
  readonly mayHang?: boolean;
}

/** A reset changes doorbells and driver areas, so engines ask for them at each start and keep none. */
export interface Carrier {
  /** "0000:00:04.0", or the socket's path. */
  readonly name: string;
  /** Maps window `window` of shared memory as it is now; empty when there is none. The caller unmaps. */
  mapWindow(window: number): readonly SharedArea[];
  /** What a user calls it: "BAR 2". */
  windowName(window: number): string;
  /** Eventfd by which engine `role` of `pair` signals the peer, from any thread; -1 for none. */
  doorbell(role: EngineRole, pair: number): number;
  /**
   * Eventfd on which a thread sleeps for RX engine `pair`: the peer signals it, and we do to wake the thread.
   * -1 when the ring can only be polled.
   */
  interruptFd(pair: number): number;
  /** Words that engine `role` of `pair` shares with the device (positions, gate); null for none. */
  driverArea(role: EngineRole, pair: number): DriverArea | null;
  /** Calls back when the peer comes or goes, before the session reports it. One handler: the engine set's. */
  onLink(handler: (up: boolean) => void): void;
  /** Calls back once, when the carrier is gone and its memory with it. One handler: the engine set's. */
  onRemoved(handler: () => void): void;
}
