// SPDX-License-Identifier: BSD-3-Clause
// What a bus gives: one PCI function, whatever road leads to it. Nothing above the bus knows which it is.
import type { MappingHandle } from '../native.ts';
import type { Registers } from '../pci/registers.ts';

export type { Registers } from '../pci/registers.ts';

/** A part of a BAR that is mapped into this process. */
export interface MappedArea {
  readonly mapping: MappingHandle;
  /** Byte offset of the area in the BAR. */
  readonly barOffset: number;
  /** Bytes. */
  readonly size: number;
  /** False when the device lets it be read only; a write would kill the process. */
  readonly writable: boolean;
  /** Its pages may never come (memory-files.ts): for threads that may sleep for ever. */
  readonly mayHang?: boolean;
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
  readonly config: Registers;
  /** Registers of BAR `index`; throws VPCI_NO_BAR when the device lacks it. */
  bar(index: number): Registers;
  /** Bytes of BAR `index`; 0 when the device lacks it. */
  barSize(index: number): number;
  /** True when a memory BAR may be mapped again after the device says that it changed (vfio-user only). */
  readonly canRemap: boolean;
  /** Maps the mappable areas of BAR `index` as they are now; empty when the BAR has none. The caller unmaps. */
  mapBar(index: number): MappedArea[];
  /** MSI-X vectors of the device. */
  readonly vectors: number;
  /** 'polled': this road has no interrupts, the handlers are called by a timer; nothing can sleep until one comes. */
  readonly interrupts: 'eventfd' | 'polled';
  /** What a user should know of this road, a line each. */
  readonly notes: readonly string[];
  /** Calls back on this thread's event loop at each interrupt of `vector`. */
  onInterrupt(vector: number, handler: () => void): void;
  /**
   * An eventfd that each interrupt of `vector` signals and that the event loop leaves alone, for another thread to wait on; it lives as
   * long as the device. -1 when this road has no interrupts.
   */
  interruptFd(vector: number): number;
  /** Arms all vectors that were asked for; call once, after the last onInterrupt and interruptFd. */
  enableInterrupts(): void;
  /**
   * A descriptor whose signal equals a 16-bit write of `value` to `offset` of BAR `bar`, usable from any thread;
   * -1 when this road has none. It is an ioeventfd of the device model, or an eventfd that this thread turns into the write.
   */
  doorbell(bar: number, offset: number, value: number): number;
  allocateDma(bytes: number): DmaMemory;
  reset(): void;
  /** Calls back once if the device goes away. */
  onRemoved(handler: (reason: string) => void): void;
  /** Gives everything back: interrupts, DMA memory, connection. Idempotent. */
  close(): void;
}
