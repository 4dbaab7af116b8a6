// SPDX-License-Identifier: BSD-3-Clause
// vfio_region_info and its capabilities (linux/vfio.h): the same bytes from the kernel and from a vfio-user
// server; the server is not trusted.
import { decode } from '../abi/layout.ts';
import {
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP_ID,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_SPARSE_MMAP_AREA,
} from '../abi/vfio-user.ts';
import { PAGE } from '../alignment.ts';
import type { PmdError } from '../errors.ts';
import type { BarPart } from './pci-device.ts';

export interface RegionInfo {
  readonly index: number;
  readonly flags: number;
  /** Bytes. */
  readonly size: bigint;
  /** Byte offset of the region in its file. */
  readonly fileOffset: bigint;
  /** Mappable parts, as byte ranges of the region. */
  readonly areas: readonly { readonly offset: bigint; readonly size: bigint }[];
}

/** Makes the error for invalid information. */
export type Complaint = (what: string) => PmdError;

/** Far more than the areas of any device need; limits how much a server can make us allocate. */
export const MAX_REGION_INFO_BYTES = 64 * 1024;
const MAX_CAPABILITIES = 16;

/** Parses the information on region `index`; `bytes` hold at least the structure. Throws what `bad` makes. */
export function parseRegionInfo(index: number, bytes: DataView, bad: Complaint): RegionInfo {
  const head = decode(VFIO_REGION_INFO, bytes);
  const mappable = (head.flags & VFIO_REGION_INFO_FLAG_MMAP) !== 0;
  const capabilities = (head.flags & VFIO_REGION_INFO_FLAG_CAPS) !== 0;
  const sparse = capabilities ? sparseAreas(bytes, head.cap_offset, bad) : null;
  const whole = head.size > 0n ? [{ offset: 0n, size: head.size }] : [];
  const areas = mappable ? (sparse ?? whole) : [];
  for (const { offset, size } of areas) {
    if (size === 0n || offset % BigInt(PAGE) !== 0n || offset + size > head.size) {
      throw bad(`a mappable area of ${size} bytes at ${offset} in region ${index} of ${head.size} bytes`);
    }
  }
  return { index, flags: head.flags, size: head.size, fileOffset: head.offset, areas };
}

/** What of the areas lies in the part; all of them without one. */
export function clipAreas(areas: RegionInfo['areas'], part?: BarPart): RegionInfo['areas'] {
  if (!part) return areas;
  const [from, to] = [BigInt(part.offset), BigInt(part.offset + part.size)];
  return areas
    .map(({ offset, size }) => {
      const start = offset > from ? offset : from;
      const end = offset + size < to ? offset + size : to;
      return { offset: start, size: end - start };
    })
    .filter(({ size }) => size > 0n);
}

/** The areas of the sparse-mmap capability; null if it is absent. */
function sparseAreas(
  bytes: DataView,
  first: number,
  bad: Complaint,
): { offset: bigint; size: bigint }[] | null {
  let offset = first;
  for (let walked = 0; offset !== 0; walked++) {
    const end = offset + VFIO_REGION_INFO_CAP_SPARSE_MMAP.size;
    if (walked === MAX_CAPABILITIES) throw bad('a loop in the capabilities of a region');
    // Capabilities of other types may be as short as their 8-byte header.
    if (offset < VFIO_REGION_INFO.size || offset + 8 > bytes.byteLength)
      throw bad(`a region capability at ${offset}`);
    const id = bytes.getUint16(offset, true);
    if (id !== VFIO_REGION_INFO_CAP_SPARSE_MMAP_ID) {
      offset = bytes.getUint32(offset + VFIO_REGION_INFO_CAP_SPARSE_MMAP.fields.next.offset, true);
      continue;
    }
    if (end > bytes.byteLength) throw bad(`a region capability at ${offset}`);
    const capability = decode(VFIO_REGION_INFO_CAP_SPARSE_MMAP, bytes, offset);
    if (end + capability.nr_areas * VFIO_REGION_SPARSE_MMAP_AREA.size > bytes.byteLength) {
      throw bad(`${capability.nr_areas} mappable areas in ${bytes.byteLength} bytes`);
    }
    return Array.from({ length: capability.nr_areas }, (_, area) =>
      decode(VFIO_REGION_SPARSE_MMAP_AREA, bytes, end + area * VFIO_REGION_SPARSE_MMAP_AREA.size),
    );
  }
  return null;
}
