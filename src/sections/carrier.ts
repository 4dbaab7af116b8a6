// SPDX-License-Identifier: BSD-3-Clause
// What a section device needs of its carrier: the two sides of a shared memory, states, doorbells and
// interrupts. Two files, ivshmem devices and the vhost-pci 2.1 function are such carriers.
import type { MappingHandle } from '../native.ts';

/** A side's memory as this process has it mapped. */
export interface SideMemory {
  readonly mapping: MappingHandle;
  /** Byte offset of the side in the mapping. */
  readonly offset: number;
  /** Bytes, with the header page if there is one. */
  readonly size: number;
  /** True if this process has it mapped for writing. */
  readonly writable: boolean;
}

export interface SectionCarrier {
  /** "0000:00:04.0", a path, or a pair of them. */
  readonly name: string;
  readonly own: SideMemory;
  readonly peer: SideMemory;
  /**
   * 'header': each side begins with SECTION_HEADER, and extensions can be negotiated. 'table': states are
   * kept outside of the sections, which have no header (ivshmem v2).
   */
  readonly states: 'header' | 'table';
  /** For 'table': the peer's entry, and a write to our own. */
  readState?(): number;
  writeState?(state: number): void;
  /** Id by which the peer's doorbell reaches us; null without one. */
  readonly doorbellId: number | null;
  /** Our interrupt vectors; 0 if we can only poll. */
  readonly vectors: number;
  /**
   * The peer's header, or the device, told under which id and with how many vectors it is reached. Called in
   * INIT at the latest; -1 for an unknown id.
   */
  setPeer(doorbellId: number, vectors: number): void;
  /** Eventfd, signalled from any thread, that raises the peer's `vector`; -1 for none. */
  doorbell(vector: number): number;
  /** Eventfd on which a thread sleeps for our `vector`; -1 for none. */
  interruptFd(vector: number): number;
  /**
   * Calls back on the event loop when vector 0, a change of state, is raised. The device polls as well.
   */
  onState(handler: () => void): void;
  /** Arms the interrupts; once, after onState and the last interruptFd. */
  enableInterrupts(): void;
  /** Calls back once when the memory is gone. */
  onRemoved(handler: (reason: string) => void): void;
  /** Lines for "show device info". */
  details(): [string, string | number][];
  /** Unmaps and releases all. Idempotent. */
  close(): void;
}
