// SPDX-License-Identifier: BSD-3-Clause
// From a peer's memory table to the memory BARs (design D7). Pure: no descriptor is touched here.
//
// A memory BAR *is* one file of the peer, so a region lies in its BAR where it lies in its file. The placed
// list states exactly that. The packed list, the form of the RFC 2.0 reference, has no offsets: each region
// starts where the previous one ends, so runs of regions are widened until they are contiguous in the file.
import { VHOST_PCI_MEMORY_BARS } from '../../../src/abi/vhost-pci.ts';

export interface FileIdentity {
  readonly device: bigint;
  readonly inode: bigint;
  /** Bytes. */
  readonly size: bigint;
}

export interface Region<F extends FileIdentity = FileIdentity> {
  readonly gpa: bigint;
  readonly size: bigint;
  /** Address in the front-end's own address space, which ring addresses refer to. */
  readonly userAddress: bigint;
  readonly fileOffset: bigint;
  readonly file: F;
}

export interface PackedRegion {
  readonly gpa: bigint;
  readonly size: bigint;
}

export interface PlacedRegion extends PackedRegion {
  readonly offset: bigint;
  readonly bar: number;
}

const ADDRESS_SPACE = 1n << 64n;
/** Guests cannot place a larger BAR: 46 physical address bits are the common minimum of today's hosts. */
const MAX_BAR_BYTES = 1n << 45n;

export const sameFile = (a: FileIdentity, b: FileIdentity): boolean =>
  a.device === b.device && a.inode === b.inode;

/** What is wrong with the table, or null. All sums are exact, because they are bigints. */
export function findFault(regions: readonly Region[]): string | null {
  for (const [i, region] of regions.entries()) {
    if (region.size === 0n) return `region ${i} is empty`;
    if (region.gpa + region.size > ADDRESS_SPACE) return `region ${i} wraps in guest-physical space`;
    if (region.userAddress + region.size > ADDRESS_SPACE) return `region ${i} wraps in user space`;
    if (region.fileOffset + region.size > region.file.size) return `region ${i} reaches beyond its file`;
    if (region.file.size > MAX_BAR_BYTES) return `region ${i} lies in a file too large for a BAR`;
    for (const other of regions.slice(0, i)) {
      if (overlap(region.gpa, other.gpa, region.size, other.size))
        return `region ${i} overlaps in guest-physical space`;
      if (overlap(region.userAddress, other.userAddress, region.size, other.size)) {
        return `region ${i} overlaps in user space`;
      }
    }
  }
  const files = distinctFiles(regions);
  if (files.length > VHOST_PCI_MEMORY_BARS.length) {
    return `it has ${files.length} memory files, but the device has ${VHOST_PCI_MEMORY_BARS.length} memory BARs: give the peer a single memory backend`;
  }
  return null;
}

/** The distinct files of the table, in table order. */
export function distinctFiles<F extends FileIdentity>(regions: readonly Region<F>[]): F[] {
  const files: F[] = [];
  for (const { file } of regions) if (!files.some((known) => sameFile(known, file))) files.push(file);
  return files;
}

/**
 * Assigns files to BARs. A file keeps the BAR that it had in `previous`, because a guest maps a BAR only
 * once; the others follow in table order.
 */
export function assignBars<F extends FileIdentity>(
  files: readonly F[],
  previous: ReadonlyMap<number, FileIdentity> = new Map(),
): Map<number, F> {
  const bars = new Map<number, F>();
  const rest: F[] = [];
  for (const file of files) {
    const had = [...previous].find(([, known]) => sameFile(known, file));
    if (had) bars.set(had[0], file);
    else rest.push(file);
  }
  const free = VHOST_PCI_MEMORY_BARS.filter((bar) => !bars.has(bar));
  for (const [i, file] of rest.entries()) {
    const bar = free[i];
    if (bar !== undefined) bars.set(bar, file);
  }
  return bars;
}

/** Size of a BAR that shows `bytes`: the next power of two, at least a page. */
export function barBytes(bytes: bigint): bigint {
  if (bytes === 0n) return 0n;
  let size = 4096n;
  while (size < bytes) size <<= 1n;
  return size;
}

/** The peer's regions unchanged, each with its place in a BAR. */
export function placeRegions(
  regions: readonly Region[],
  bars: ReadonlyMap<number, FileIdentity>,
): PlacedRegion[] {
  return regions.map(({ gpa, size, fileOffset, file }) => {
    const entry = [...bars].find(([, shown]) => sameFile(shown, file));
    if (!entry) throw new Error('a region has no BAR');
    return { gpa, size, offset: fileOffset, bar: entry[0] };
  });
}

interface Run {
  gpa: bigint;
  start: bigint;
  end: bigint;
}

/** The regions in the reference's packed form, or the reason why that form cannot express this layout. */
export function packRegions(regions: readonly Region[]): PackedRegion[] | string {
  if (distinctFiles(regions).length > 1) return 'the peer has more than one memory file';
  const runs = findRuns(regions);
  const first = runs[0];
  if (!first) return [];
  // Widen downwards to file offset 0 and upwards to the next run: the sums of sizes then equal the file
  // offsets.
  if (first.gpa < first.start) return 'the first region cannot be extended down to the start of its file';
  first.gpa -= first.start;
  first.start = 0n;
  for (const [i, run] of runs.entries()) {
    const next = runs[i + 1];
    if (!next) continue;
    if (next.start < run.end) return 'regions overlap in their file';
    run.end = next.start;
  }
  for (const [i, run] of runs.entries()) {
    const size = run.end - run.start;
    if (run.gpa + size > ADDRESS_SPACE) return 'a region wraps once it is extended';
    for (const other of runs.slice(0, i)) {
      if (overlap(run.gpa, other.gpa, size, other.end - other.start))
        return 'regions overlap once they are extended';
    }
  }
  return runs.map(({ gpa, start, end }) => ({ gpa, size: end - start }));
}

/** Regions with the same `gpa - file offset` joined into runs, holes included, in file order. */
function findRuns(regions: readonly Region[]): Run[] {
  const runs = new Map<bigint, Run>();
  for (const { gpa, size, fileOffset } of regions) {
    const end = fileOffset + size;
    const run = runs.get(gpa - fileOffset);
    if (!run) {
      runs.set(gpa - fileOffset, { gpa, start: fileOffset, end });
      continue;
    }
    if (fileOffset < run.start) {
      run.start = fileOffset;
      run.gpa = gpa;
    }
    if (end > run.end) run.end = end;
  }
  return [...runs.values()].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
}

function overlap(a: bigint, b: bigint, aSize: bigint, bSize: bigint): boolean {
  return a < b + bSize && b < a + aSize;
}
