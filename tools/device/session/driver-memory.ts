// SPDX-License-Identifier: BSD-3-Clause
// The driver's memory: rings and gate words stay mapped while they are in use; everything else is accessed
// through a few windows, mapped on demand. A machine may have more memory than this process has address
// space, so its memory is never mapped as a whole.
//
// A guest's IOMMU reports its pages one by one, scattered over the guest's memory. To the driver they are one
// range, and a ring or a buffer may span several of them.
import { type MappingHandle, type MemoryHandle, native } from '../../../src/native.ts';
import type { DmaMap } from '../vfio-user/dma-table.ts';

/** A part of the driver's memory. */
export interface DmaRange {
  readonly address: bigint;
  readonly bytes: number;
}

/** The position of a byte in a mapping. */
export interface Place {
  readonly mapping: MappingHandle;
  readonly offset: number;
}

/** Ranges that the ring engine may work on. */
export interface PlacedRanges {
  readonly handle: MemoryHandle;
  /** Call when no queue uses the ranges any more. */
  close(): void;
}

/** Consecutive bytes of a file. */
interface Piece {
  readonly map: DmaMap;
  readonly fileOffset: number;
  readonly bytes: number;
}

interface Window {
  readonly map: DmaMap;
  /** `[start, end)` of the file. */
  readonly start: number;
  readonly end: number;
  readonly mapping: MappingHandle;
}

/**
 * Small enough for an ArrayBuffer (at most 4 GiB), large enough for all adjacent buffers of a control queue.
 */
const WINDOW_BYTES = 2 << 20;
const MAX_WINDOWS = 16;

export class DriverMemory {
  readonly #maps: () => readonly DmaMap[];
  /** The most recently used window comes last. */
  #windows: Window[] = [];

  /** `maps` returns the DMA maps as of the time of the call. */
  constructor(maps: () => readonly DmaMap[]) {
    this.#maps = maps;
  }

  /** Maps ranges for the ring engine. Throws when one cannot be accessed or they overlap. */
  place(ranges: readonly DmaRange[]): PlacedRanges {
    const mappings: MappingHandle[] = [];
    const unmap = () => {
      for (const mapping of mappings.splice(0)) native.unmap(mapping);
    };
    try {
      const regions = ranges.map(({ address, bytes }) => {
        const { mapping, offset } = mapPieces(this.#pieces(address, bytes), address);
        mappings.push(mapping);
        return { gpa: address, size: BigInt(bytes), mapping, offset };
      });
      const handle = native.memoryCreate(regions);
      const close = () => {
        native.memoryDestroy(handle);
        unmap();
      };
      return { handle, close };
    } catch (error) {
      unmap();
      throw error;
    }
  }

  /** Maps a range until the caller unmaps it; null when it cannot be accessed or mapped contiguously. */
  pin(address: bigint, bytes: number): Place | null {
    try {
      return mapPieces(this.#pieces(address, bytes), address);
    } catch {
      return null;
    }
  }

  /** Whether the whole range is writable. */
  covers({ address, bytes }: DmaRange): boolean {
    const end = address + BigInt(bytes);
    for (let at = address; at < end; ) {
      const map = this.#mapAt(at);
      if (!map?.writable) return false;
      at = map.iova + map.size;
    }
    return true;
  }

  /** A copy of a range; null when it cannot be accessed. */
  read({ address, bytes }: DmaRange): Uint8Array | null {
    const data = new Uint8Array(bytes);
    const done = this.#visit(address, bytes, false, (part, at) => data.set(part, at));
    return done ? data : null;
  }

  /** False when the range cannot be accessed or is read-only. */
  write(address: bigint, data: Uint8Array): boolean {
    return this.#visit(address, data.length, true, (part, at) =>
      part.set(data.subarray(at, at + part.length)),
    );
  }

  /** The little-endian word at an even address, read in a single access; null when it cannot be accessed. */
  readU16(address: bigint): number | null {
    const map = address % 2n === 0n ? this.#mapAt(address) : null;
    if (!map || address + 2n > map.iova + map.size) return null;
    const fileOffset = map.offset + Number(address - map.iova);
    const window = fileOffset % 2 === 0 ? this.#window(map, fileOffset) : null;
    return window && native.mmioRead(window.mapping, fileOffset - window.start, 2);
  }

  /** These maps are about to be removed. Whatever `place` mapped of them stays mapped until it is closed. */
  forget(maps: readonly DmaMap[]): void {
    const [gone, rest] = [true, false].map((go) =>
      this.#windows.filter(({ map }) => maps.includes(map) === go),
    );
    this.#windows = rest ?? [];
    for (const { mapping } of gone ?? []) native.unmap(mapping);
  }

  close(): void {
    for (const { mapping } of this.#windows.splice(0)) native.unmap(mapping);
  }

  #mapAt(address: bigint): DmaMap | null {
    const found = this.#maps().find((map) => address >= map.iova && address < map.iova + map.size);
    return found && found.fd >= 0 ? found : null;
  }

  /** The pieces of files that make up a range. Throws when a part of it cannot be accessed. */
  #pieces(address: bigint, bytes: number): Piece[] {
    const pieces: Piece[] = [];
    for (let done = 0; done < bytes; ) {
      const at = address + BigInt(done);
      const map = this.#mapAt(at);
      if (!map) throw new Error(`there is no memory at 0x${at.toString(16)}`);
      if (!map.writable) throw new Error(`the memory at 0x${at.toString(16)} is read-only`);
      const part = Math.min(bytes - done, Number(map.iova + map.size - at));
      const fileOffset = map.offset + Number(at - map.iova);
      const last = pieces.at(-1);
      if (last && sameFile(last.map, map) && last.fileOffset + last.bytes === fileOffset)
        pieces[pieces.length - 1] = { ...last, bytes: last.bytes + part };
      else pieces.push({ map, fileOffset, bytes: part });
      done += part;
    }
    return pieces;
  }

  /**
   * Calls `access` with each part of a range and its offset in the range; false, possibly halfway, when a
   * part cannot be accessed.
   */
  #visit(
    address: bigint,
    bytes: number,
    forWriting: boolean,
    access: (part: Uint8Array, at: number) => void,
  ): boolean {
    for (let done = 0; done < bytes; ) {
      const at = address + BigInt(done);
      const map = this.#mapAt(at);
      if (!map || (forWriting && !map.writable)) return false;
      const fileOffset = map.offset + Number(at - map.iova);
      const window = this.#window(map, fileOffset);
      if (!window) return false;
      const part = Math.min(bytes - done, window.end - fileOffset);
      const buffer = native.mappingBuffer(window.mapping);
      access(new Uint8Array(buffer, fileOffset - window.start, part), done);
      done += part;
    }
    return true;
  }

  /** The window that contains a byte of a map; null when it cannot be mapped (the file has shrunk). */
  #window(map: DmaMap, fileOffset: number): Window | null {
    const found = this.#windows.findIndex(
      (w) => w.map === map && fileOffset >= w.start && fileOffset < w.end,
    );
    const window = this.#windows.splice(found, found < 0 ? 0 : 1)[0] ?? openWindow(map, fileOffset);
    if (!window) return null;
    this.#windows.push(window);
    if (this.#windows.length > MAX_WINDOWS) native.unmap((this.#windows.shift() as Window).mapping);
    return window;
  }
}

function openWindow(map: DmaMap, fileOffset: number): Window | null {
  try {
    const unit = Math.max(WINDOW_BYTES, native.filePageSize(map.fd));
    const start = fileOffset - (fileOffset % unit);
    const end = Math.min(start + unit, map.offset + Number(map.size));
    return { map, start, end, mapping: native.mapFd(map.fd, start, end - start, map.writable) };
  } catch {
    return null;
  }
}

/** One mapping of consecutive pieces, and the offset in it where the first piece starts. */
function mapPieces(pieces: readonly Piece[], address: bigint): Place {
  const pages = pieces.map(({ map }) => native.filePageSize(map.fd));
  const offset = (pieces[0] as Piece).fileOffset % (pages[0] as number);
  const parts = pieces.map(({ map, fileOffset, bytes }, i) => {
    const before = i === 0 ? offset : 0;
    return { fd: map.fd, offset: fileOffset - before, length: bytes + before };
  });
  const [first] = parts;
  if (first && parts.length === 1)
    return { mapping: native.mapFd(first.fd, first.offset, first.length, true), offset };
  // Only whole pages of the usual size can be mapped contiguously.
  const whole = parts.every(
    (part, i) =>
      pages[i] === pages[0] &&
      part.offset % (pages[i] as number) === 0 &&
      (i === parts.length - 1 || part.length % (pages[i] as number) === 0),
  );
  if (!whole) throw new Error(`the memory at 0x${address.toString(16)} is in pieces smaller than a page`);
  return { mapping: native.mapFileParts(parts, true), offset };
}

/** Compares identities, because clients may send a duplicate descriptor with each map. */
function sameFile(a: DmaMap, b: DmaMap): boolean {
  return a.device === b.device && a.inode === b.inode && a.writable === b.writable;
}
