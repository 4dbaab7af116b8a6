// SPDX-License-Identifier: BSD-3-Clause
// The driver's memory mapped for the control queue: all maps with a descriptor at the time the queue starts. Mapped
// lazily because a guest's driver may map a lot, and only for a queue that runs.
import { type MappingHandle, type MemoryHandle, native } from '../../src/native.ts';
import type { DmaMap } from './dma-table.ts';

export class DriverMemory {
  readonly handle: MemoryHandle;
  readonly #parts: { readonly map: DmaMap; readonly mapping: MappingHandle }[] = [];

  /** Throws when nothing can be mapped. */
  constructor(maps: readonly DmaMap[]) {
    try {
      for (const map of maps) {
        if (map.fd < 0 || !map.writable) continue;
        this.#parts.push({ map, mapping: native.mapFd(map.fd, map.offset, Number(map.size), true) });
      }
      this.handle = native.memoryCreate(
        this.#parts.map(({ map, mapping }) => ({ gpa: map.iova, size: map.size, mapping, offset: 0 })),
      );
    } catch (error) {
      this.#unmap();
      throw error;
    }
  }

  /** A view of `bytes` at an address of the driver; null when they are not in one map. */
  view(iova: bigint, bytes: number): DataView | null {
    const part = this.#parts.find(
      ({ map }) => iova >= map.iova && iova + BigInt(bytes) <= map.iova + map.size,
    );
    if (!part) return null;
    return new DataView(native.mappingBuffer(part.mapping), Number(iova - part.map.iova), bytes);
  }

  mapOf(mapping: MappingHandle): DmaMap | undefined {
    return this.#parts.find((part) => part.mapping === mapping)?.map;
  }

  /** No queue uses the memory any more. */
  close(): void {
    native.memoryDestroy(this.handle);
    this.#unmap();
  }

  #unmap(): void {
    for (const { mapping } of this.#parts.splice(0)) native.unmap(mapping);
  }
}
