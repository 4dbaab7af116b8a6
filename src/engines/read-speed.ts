// SPDX-License-Identifier: BSD-3-Clause
// The cache type of the peer's memory, determined by reading it. A guest kernel maps BARs uncached, but the
// effective type depends on the processor: with one vendor's nested paging the host's write-back type wins,
// with the other's it does not. Therefore it is measured.
import { type MappingHandle, native } from '../native.ts';

export type CacheType = 'write-back' | 'uncached';

export interface ReadSpeed {
  readonly cacheType: CacheType;
  /** Nanoseconds to read 8 bytes of a 64-byte line that has been read before. */
  readonly nsPerLine: number;
}

const LINE = 64;
/** Fits the first-level cache of any processor of the last decade. */
const SAMPLE_BYTES = 16 * 1024;
const ROUNDS = 16;
/** A cached read takes one to five nanoseconds, an uncached one hundreds; emulation slows down both. */
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

/** Classifies a read time by comparison with that of this process's own memory. */
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
