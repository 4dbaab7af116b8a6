// SPDX-License-Identifier: BSD-3-Clause
// Memory of this process and of a peer: mappings, registers, and the table of a guest's memory.
import type { MappingHandle, MemoryHandle } from './handles.ts';

export interface MemoryRegion {
  /** Guest-physical address of the first byte. */
  readonly gpa: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly mapping: MappingHandle;
  /** Byte offset of the region in the mapping. */
  readonly offset: number;
}

export interface MemoryCalls {
  /**
   * Anonymous file of `size` bytes, sealed against shrinking; with `hugepages`, of 2 MiB pages (ENOMEM if
   * short).
   */
  memfdCreate(name: string, size: number, hugepages: boolean): number;
  /** Maps `length` bytes of a file, shared. ERANGE if they do not lie inside the file. */
  mapFd(fd: number, offset: number, length: number, writable: boolean): MappingHandle;
  /**
   * One contiguous mapping of several file ranges, in order. Offsets and lengths are multiples of the page
   * size.
   */
  mapFileParts(
    parts: readonly { readonly fd: number; readonly offset: number; readonly length: number }[],
    writable: boolean,
  ): MappingHandle;
  /** Maps anonymous private memory; with `hugepages`, from hugepages if available (no error otherwise). */
  mapAnonymous(length: number, hugepages: boolean): MappingHandle;
  /**
   * True if anonymous memory or a pool was once mapped from hugepages, these were refused, and normal pages
   * replaced them.
   */
  hugepagesRefused(): boolean;
  /**
   * One ArrayBuffer per mapping and thread, cached; `unmap` detaches it in the thread that unmaps. RangeError
   * beyond 4 GiB, the limit of Node 20. Writing through a read-only mapping kills the process.
   */
  mappingBuffer(mapping: MappingHandle): ArrayBuffer;
  /** The same for window number `window` of 2 GiB, in a mapping of any size. */
  mappingWindow(mapping: MappingHandle, window: number): ArrayBuffer;
  /**
   * Unmaps. The caller ensures that no queue or other thread uses the mapping; memory of stuck queues stays
   * mapped.
   */
  unmap(mapping: MappingHandle): void;
  /**
   * True for a mapping of a file in memory that may have holes (tmpfs, memfd): a touch allocates the missing
   * page and charges it to this process, and it cannot be reclaimed.
   */
  mappingIsSparse(mapping: MappingHandle): boolean;
  /**
   * Limits the missing pages allocated through a sparse mapping to `bytes`; one more page, and the mapping is
   * lost: it turns into zeros. Call it before the mapping is used. Throws an errno if the kernel does not let
   * this process see such touches; there is no limit then.
   */
  limitHoles(mapping: MappingHandle, bytes: number): void;
  /**
   * Signals an eventfd when a file mapping is lost. The descriptor stays open as long as the mapping exists.
   */
  notifyLoss(mapping: MappingHandle, eventFd: number): void;
  /**
   * Why a file mapping turned into zeros ("shrunk": the file is now too short), and the bytes of missing
   * pages allocated, if limited.
   */
  mappingState(mapping: MappingHandle): { loss: 'none' | 'shrunk' | 'over-limit'; filled: number };
  /** Address of the first byte in this process, for system calls. */
  mappingAddress(mapping: MappingHandle): bigint;
  /**
   * Reads 1, 2 or 4 naturally aligned bytes in exactly one access: device registers. RangeError outside the
   * mapping.
   */
  mmioRead(mapping: MappingHandle, offset: number, width: number): number;
  mmioWrite(mapping: MappingHandle, offset: number, width: number, value: number): void;
  /** A 32-bit word shared with another process, in one sequentially consistent access. */
  atomicRead(mapping: MappingHandle, offset: number): number;
  atomicWrite(mapping: MappingHandle, offset: number, value: number): void;
  /**
   * Nanoseconds to read 8 bytes of each 64-byte line of a range (multiples of 64): the best of `rounds`
   * passes, which end early after about 50 ms. A few for cached memory, hundreds for uncached memory.
   */
  readLatency(mapping: MappingHandle, offset: number, length: number, rounds: number): number;
  /** True if two ranges (multiples of 8) hold the same bytes now. */
  mappingEquals(
    a: MappingHandle,
    aOffset: number,
    b: MappingHandle,
    bOffset: number,
    length: number,
  ): boolean;
  /**
   * An immutable table. Regions must not overlap and must lie inside their mappings. EACCES for a read-only
   * mapping.
   */
  memoryCreate(regions: readonly MemoryRegion[]): MemoryHandle;
  /** Frees the table as soon as no stuck queue uses it. EBUSY if a running queue uses it. */
  memoryDestroy(memory: MemoryHandle): void;
}
