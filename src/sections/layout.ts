// SPDX-License-Identifier: BSD-3-Clause
// Where the parts of an output section lie: the arithmetic of Linux' ivshmem-net, which both sides do for
// themselves (docs/device-abi.md, "RFC 2.1"). A section begins with descriptors and available ring of one
// direction and the used ring of the other, laid out as one vring; the data of frames follow.
import { vringAvailBytes, vringDescBytes, vringUsedBytes } from '../abi/virtio-ring.ts';
import { alignUp } from '../alignment.ts';

export interface SectionLayout {
  /** Bytes of the section, or of the part of it that belongs to one queue pair. */
  readonly size: number;
  /** Entries of each ring. */
  readonly entries: number;
  /** Byte offset of the used ring; descriptors are at 0, the available ring follows them. */
  readonly usedOffset: number;
  /** Byte offset of the data. */
  readonly dataOffset: number;
  readonly dataBytes: number;
}

/** Alignment of the used ring, the data and the parts of queue pairs. */
const LINE = 64;
const MOST_ENTRIES = 4096;
/** A ring of this size has the room of one of twice the size. */
const FEWEST_ENTRIES = 32;
/** IPv4's minimum, and ivshmem-net's. */
const LEAST_MTU = 68;
/** Ethernet header and VLAN tag. */
export const FRAME_OVERHEAD = 18;
const BASE_MTU = 16_384;
/** A 64 KiB IP packet and its Ethernet header. */
export const LARGE_FRAME = 65_550;

const usedOffsetOf = (entries: number) => alignUp(vringDescBytes(entries) + vringAvailBytes(entries), LINE);
const vringBytes = (entries: number) => alignUp(usedOffsetOf(entries) + vringUsedBytes(entries), LINE);

/** The layout of a section of `size` bytes; null if it is too small for rings and a few frames. */
export function sectionLayout(size: number): SectionLayout | null {
  let entries = MOST_ENTRIES;
  let dataOffset = vringBytes(entries);
  for (; entries > FEWEST_ENTRIES; entries /= 2) {
    dataOffset = vringBytes(entries);
    if (dataOffset < Math.floor(size / 8)) break;
  }
  const dataBytes = size - dataOffset;
  if (dataBytes < 4 * LEAST_MTU) return null;
  return { size, entries, usedOffset: usedOffsetOf(entries), dataOffset, dataBytes };
}

/** The bytes of each queue pair's part: equal parts of the section, in order, from its start. */
export function partBytes(sectionBytes: number, queuePairs: number): number {
  if (queuePairs === 1) return sectionBytes;
  return Math.floor(sectionBytes / queuePairs / LINE) * LINE;
}

/** The largest frame that may be sent, Ethernet header included, without a limit of either side. */
export function largestFrame({ dataBytes }: SectionLayout, large: boolean): number {
  if (large) return Math.min(LARGE_FRAME, Math.floor(dataBytes / 4));
  return Math.max(LEAST_MTU, Math.min(BASE_MTU, Math.floor(dataBytes / 16))) + FRAME_OVERHEAD;
}
