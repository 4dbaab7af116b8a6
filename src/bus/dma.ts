// SPDX-License-Identifier: BSD-3-Clause
// Memory that a device may reach: a sealed memory file, mapped here and handed to the device by its descriptor. I/O virtual
// addresses are ours to choose, since nothing else lives in the device's address space.
import { alignUp, PAGE } from '../alignment.ts';
import { PmdError } from '../errors.ts';
import { type MappingHandle, native } from '../native.ts';
import type { DmaMemory } from './pci-device.ts';

/** Not 0, so that a null address never names memory. */
const FIRST_IOVA = 0x10_0000n;
/** Every IOMMU of the last decade reaches this far (39 bits, Intel VT-d's least guest address width). */
const LAST_IOVA = (1n << 39n) - 1n;

/** Hands out page-aligned addresses, never the same twice. */
export class IovaAllocator {
  #next = FIRST_IOVA;

  /** The start of `bytes` (a multiple of the page size) with a page to spare behind it. Throws ENOSPC at the end. */
  allocate(bytes: number): bigint {
    const iova = this.#next;
    const end = iova + BigInt(bytes);
    if (end > LAST_IOVA) throw new PmdError('ENOSPC', `No I/O virtual addresses left for ${bytes} bytes`);
    this.#next = end + BigInt(PAGE);
    return iova;
  }
}

/** Memory that a device is to be told of; `fd` is open only during the call. */
export interface DmaPiece {
  readonly fd: number;
  readonly mapping: MappingHandle;
  readonly iova: bigint;
  /** Bytes. */
  readonly size: number;
}

/**
 * Allocates at least `bytes` of zeroed memory and lets `register` tell the device of it before the descriptor is closed. On any error nothing is left behind.
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
