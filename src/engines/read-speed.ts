// SPDX-License-Identifier: BSD-3-Clause
// How the peer's memory is mapped, found by reading it. A guest kernel maps BARs uncached, but whether the processor obeys
// depends on its kind: nested paging of one vendor lets the host's write-back win, that of the other does not. So it is measured.
import { type MappingHandle, native } from '../native.ts';

export type CacheType = 'write-back' | 'uncached';

export interface ReadSpeed {
  readonly cacheType: CacheType;
  /** Nanoseconds to read 8 bytes of a 64-byte line that was read before. */
  readonly nsPerLine: number;
}

const LINE = 64;
/** Fits the first-level cache of any processor of the last decade. */
const SAMPLE_BYTES = 16 * 1024;
const ROUNDS = 16;
/** A cached read takes one to five nanoseconds and an uncached one some hundreds; emulation slows both. */
const UNCACHED_NS = 40;
const UNCACHED_TIMES_LOCAL = 8;

let local = 0;

/** Reads the first bytes of a range of at least 64 bytes, for at most 50 ms. */
export function measureReadSpeed(mapping: MappingHandle, offset: number, length: number): ReadSpeed {
  const start = Math.ceil(offset / LINE) * LINE;
  const bytes = Math.min(SAMPLE_BYTES, Math.floor((offset + length - start) / LINE) * LINE);
  if (bytes < LINE) return { cacheType: 'write-back', nsPerLine: 0 };
  const nsPerLine = native.readLatency(mapping, start, bytes, ROUNDS);
  return { cacheType: classify(nsPerLine, localNsPerLine()), nsPerLine };
}

/** What a read time means beside that of this process's own memory. */
export function classify(nsPerLine: number, localNs: number): CacheType {
  return nsPerLine > Math.max(UNCACHED_NS, UNCACHED_TIMES_LOCAL * localNs) ? 'uncached' : 'write-back';
}

function localNsPerLine(): number {
  if (local > 0) return local;
  const mapping = native.mapAnonymous(SAMPLE_BYTES, false);
  local = native.readLatency(mapping, 0, SAMPLE_BYTES, ROUNDS);
  native.unmap(mapping);
  return local;
}
