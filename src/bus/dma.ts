// SPDX-License-Identifier: BSD-3-Clause
// Memory that a device may reach: a sealed memory file, mapped here and passed to the device by descriptor.
// We choose the I/O virtual addresses, since nothing else lives in the device's address space.
import { alignUp, PAGE } from '../alignment.ts';
import { PmdError } from '../errors.ts';
import { type MappingHandle, native } from '../native.ts';
import type { DmaMemory } from './pci-device.ts';

/** Not 0, so that a null address never names memory. */
const FIRST_IOVA = 0x10_0000n;
/** Every IOMMU of the last decade supports this (39 bits, Intel VT-d's minimum guest address width). */
const LAST_IOVA = (1n << 39n) - 1n;

/** Hands out page-aligned addresses, never the same twice. */
export class IovaAllocator {
  #next = FIRST_IOVA;

  /**
   * The start of `bytes` (a multiple of the page size), followed by a guard page. Throws ENOSPC if exhausted.
   */
  allocate(bytes: number): bigint {
    const iova = this.#next;
    const end = iova + BigInt(bytes);
    if (end > LAST_IOVA) throw new PmdError('ENOSPC', `No I/O virtual addresses left for ${bytes} bytes`);
    this.#next = end + BigInt(PAGE);
    return iova;
  }
}

/** Memory to register with a device; `fd` is open only during the call. */
export interface DmaPiece {
  readonly fd: number;
  readonly mapping: MappingHandle;
  readonly iova: bigint;
  /** Bytes. */
  readonly size: number;
}

/**
 * Allocates at least `bytes` of zeroed memory and calls `register`, which passes it to the device, before the
 * descriptor is closed. Releases everything on error.
 */
export function allocateDmaMemory(
  bytes: number,
  iovas: IovaAllocator,
  register: (piece: DmaPiece) => void,
): DmaMemory {
  const size = alignUp(bytes, PAGE);
  const iova = iovas.allocate(size);
  const fd = native.memfdCreate('vhost-pci-dma', size, false);
  try {
    const mapping = native.mapFd(fd, 0, size, true);
    try {
      register({ fd, mapping, iova, size });
    } catch (error) {
      native.unmap(mapping);
      throw error;
    }
    return { mapping, buffer: native.mappingBuffer(mapping), iova, size };
  } finally {
    native.close(fd);
  }
}
