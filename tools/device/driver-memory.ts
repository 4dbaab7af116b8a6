// SPDX-License-Identifier: BSD-3-Clause
// The driver's memory mapped for the control queue and the position words: all maps with a descriptor at the time the control
// queue starts. Mapped lazily because a guest's driver may map a lot, and only for a queue that runs.
//
// A guest's IOMMU tells its pages one by one, each somewhere else in the guest's memory. To the driver they are one range, and a
// buffer may lie across their seams: maps that touch are mapped one behind the other.
import { type MappingHandle, type MemoryHandle, native } from '../../src/native.ts';
import type { DmaMap } from './dma-table.ts';

/** Maps that touch, in the order of their addresses. */
interface Run {
  readonly iova: bigint;
  readonly size: bigint;
  readonly mapping: MappingHandle;
}

const PAGE = 4096;

export class DriverMemory {
  readonly handle: MemoryHandle;
  /** Ranges of addresses that are whole, each one mapping. */
  readonly runs: Run[] = [];

  /** Throws when nothing can be mapped. */
  constructor(maps: readonly DmaMap[]) {
    try {
      for (const run of touching(maps.filter(({ fd, writable }) => fd >= 0 && writable))) {
        const first = run[0] as DmaMap;
        const size = run.reduce((sum, map) => sum + map.size, 0n);
        this.runs.push({ iova: first.iova, size, mapping: mapRun(run) });
      }
      this.handle = native.memoryCreate(
        this.runs.map(({ iova, size, mapping }) => ({ gpa: iova, size, mapping, offset: 0 })),
      );
    } catch (error) {
      this.#unmap();
      throw error;
    }
  }

  /** The driver's address of a byte of a mapping. */
  addressOf(mapping: MappingHandle, offset: number): bigint | undefined {
    const run = this.runs.find((r) => r.mapping === mapping);
    return run && run.iova + BigInt(offset);
  }

  /** The little-endian word at an address; null when it is not mapped. */
  readU16(iova: bigint): number | null {
    const run = this.runs.find((r) => iova >= r.iova && iova + 2n <= r.iova + r.size);
    return run && iova % 2n === 0n ? native.mmioRead(run.mapping, Number(iova - run.iova), 2) : null;
  }

  /** No queue uses the memory any more. */
  close(): void {
    native.memoryDestroy(this.handle);
    this.#unmap();
  }

  #unmap(): void {
    for (const { mapping } of this.runs.splice(0)) native.unmap(mapping);
  }
}

function mapRun(run: readonly DmaMap[]): MappingHandle {
  const parts = run.map(({ fd, offset, size }) => ({ fd, offset, length: Number(size) }));
  const [first] = parts;
  return first && parts.length === 1
    ? native.mapFd(first.fd, first.offset, first.length, true)
    : native.mapFileParts(parts, true);
}

function touching(maps: readonly DmaMap[]): DmaMap[][] {
  const runs: DmaMap[][] = [];
  for (const map of [...maps].sort((a, b) => (a.iova < b.iova ? -1 : 1))) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last && last.iova + last.size === map.iova && inPages(last) && inPages(map)) run.push(map);
    else runs.push([map]);
  }
  return runs;
}

/** What can stand in a row of mappings. */
const inPages = ({ offset, size }: DmaMap) => offset % PAGE === 0 && size % BigInt(PAGE) === 0n;
