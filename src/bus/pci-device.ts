// SPDX-License-Identifier: BSD-3-Clause
// The interface of a bus: one PCI function. The layers above do not depend on which bus it is.
import type { MappingHandle } from '../native.ts';
import type { Registers } from '../pci/registers.ts';

export type { Registers } from '../pci/registers.ts';

/** A part of a BAR mapped into this process. */
export interface MappedArea {
  readonly mapping: MappingHandle;
  /** Byte offset of the area in the BAR. */
  readonly barOffset: number;
  /** Bytes. */
  readonly size: number;
  /** False if the device allows reads only; a write would kill the process. */
  readonly writable: boolean;
  /** Its pages may never come (memory-files.ts): only threads that may sleep forever can touch it. */
  readonly mayHang?: boolean;
}

/** What is to be mapped of a BAR. */
export interface BarPart {
  /** Bytes from the BAR's start. */
  readonly offset: number;
  readonly size: number;
  /** False maps it for reading, whatever the device allows. */
  readonly writable: boolean;
}

/** Memory of this process that the device may reach. */
export interface DmaMemory {
  readonly mapping: MappingHandle;
  readonly buffer: ArrayBuffer;
  /** Address of its first byte as the device sees it. */
  readonly iova: bigint;
  readonly size: number;
}

export interface PciDevice {
  /** "0000:00:04.0", or the socket's path. */
  readonly name: string;
  /** "vfio-user", "vfio-pci", "uio_pci_generic". */
  readonly busName: string;
  /** What makes this bus's system calls, where there is a choice. */
  readonly systemCalls?: string;
  readonly config: Registers;
  /** Registers of BAR `index`; throws VPCI_NO_BAR if the device lacks it. */
  bar(index: number): Registers;
  /** Bytes of BAR `index`; 0 if the device lacks it. */
  barSize(index: number): number;
  /** True if a memory BAR may be mapped again after the device reports a change (vfio-user only). */
  readonly canRemap: boolean;
  /**
   * Maps the current mappable areas of BAR `index`, or what of them lies in a part of it; empty if there is
   * none. The caller unmaps.
   */
  mapBar(index: number, part?: BarPart): MappedArea[];
  /** MSI-X vectors of the device. */
  readonly vectors: number;
  /**
   * 'polled': this bus has no interrupts; a timer calls the handlers, and threads cannot sleep until an
   * interrupt.
   */
  readonly interrupts: 'eventfd' | 'polled';
  /** Notes on this bus for the user, one line each. */
  readonly notes: readonly string[];
  /** Calls back on this thread's event loop at each interrupt of `vector`. */
  onInterrupt(vector: number, handler: () => void): void;
  /**
   * An eventfd that each interrupt of `vector` signals, not watched by the event loop, for another thread to
   * wait on; valid until the device is closed. -1 if this bus has no interrupts.
   */
  interruptFd(vector: number): number;
  /** Arms all requested vectors; call once, after the last onInterrupt and interruptFd. */
  enableInterrupts(): void;
  /**
   * A descriptor whose signal equals a write of `value`, of 2 bytes by default, to `offset` of BAR `bar`,
   * usable from any thread; -1 if this bus has none. It is an ioeventfd of the device model, or an eventfd
   * that this thread turns into the write.
   */
  doorbell(bar: number, offset: number, value: number, width?: 2 | 4): number;
  allocateDma(bytes: number): DmaMemory;
  reset(): void;
  /** Calls back once if the device is removed. */
  onRemoved(handler: (reason: string) => void): void;
  /** Releases interrupts, DMA memory and the connection. Idempotent. */
  close(): void;
}
