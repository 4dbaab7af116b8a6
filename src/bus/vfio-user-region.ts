// SPDX-License-Identifier: BSD-3-Clause
// Regions of a vfio-user device: what the server says of them, and mapping those parts that it lets be mapped.
import { decode } from '../abi/layout.ts';
import {
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP_ID,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_WRITE,
  VFIO_REGION_SPARSE_MMAP_AREA,
  VFIO_USER,
  VFIO_USER_MAX_MSG_FDS,
} from '../abi/vfio-user.ts';
import { PmdError } from '../errors.ts';
import { native } from '../native.ts';
import { registersOver } from '../pci/registers.ts';
import type { MappedArea, Registers } from './pci-device.ts';
import { closeAll, type VfioUserClient } from './vfio-user-client.ts';
import { badReply, bytesOf, decodeReply, regionRead, regionWrite } from './vfio-user-commands.ts';

export interface RegionInfo {
  readonly index: number;
  readonly flags: number;
  /** Bytes. */
  readonly size: bigint;
  /** Where the region starts in its file. */
  readonly fileOffset: bigint;
  /** Parts that may be mapped, as byte ranges of the region. */
  readonly areas: readonly { readonly offset: bigint; readonly size: bigint }[];
}

const PAGE = 4096n;
/** Far more than the areas of any device; bounds what a server can make us allocate. */
const MAX_INFO_BYTES = 64 * 1024;
const MAX_CAPABILITIES = 16;

/** Asks for a region and gives its information with the descriptors that came; the caller owns those. */
export function regionInfo(
  client: VfioUserClient,
  index: number,
): { info: RegionInfo; fds: readonly number[] } {
  // A server answers with the size that it needs when the buffer is too small (vfio-user.rst, DEVICE_GET_REGION_INFO).
  let argsz: number = VFIO_REGION_INFO.size;
  for (let attempt = 0; attempt < 3; attempt++) {
    const { payload: reply, fds } = client.request({
      command: VFIO_USER.DEVICE_GET_REGION_INFO,
      payload: bytesOf(VFIO_REGION_INFO, { argsz, index }),
      maxReplyFds: VFIO_USER_MAX_MSG_FDS,
    });
    try {
      const head = decodeReply(VFIO_REGION_INFO, reply, 'DEVICE_GET_REGION_INFO');
      if (head.argsz <= argsz) return { info: parseRegion(index, reply), fds };
      if (head.argsz > MAX_INFO_BYTES)
        throw badReply(`${head.argsz} bytes of information on region ${index}`);
      argsz = head.argsz;
    } catch (error) {
      closeAll(fds);
      throw error;
    }
    closeAll(fds);
  }
  throw badReply(`the information on region ${index} keeps growing`);
}

function parseRegion(index: number, reply: DataView): RegionInfo {
  const head = decode(VFIO_REGION_INFO, reply);
  const mappable = (head.flags & VFIO_REGION_INFO_FLAG_MMAP) !== 0;
  const sparse = (head.flags & VFIO_REGION_INFO_FLAG_CAPS) !== 0 ? sparseAreas(reply, head.cap_offset) : null;
  const whole = head.size > 0n ? [{ offset: 0n, size: head.size }] : [];
  const areas = mappable ? (sparse ?? whole) : [];
  for (const { offset, size } of areas) {
    if (size === 0n || offset % PAGE !== 0n || offset + size > head.size) {
      throw badReply(
        `a mappable area of ${size} bytes at ${offset} in region ${index} of ${head.size} bytes`,
      );
    }
  }
  return { index, flags: head.flags, size: head.size, fileOffset: head.offset, areas };
}

/** The areas of the sparse-mmap capability; null when there is none. */
function sparseAreas(reply: DataView, first: number): { offset: bigint; size: bigint }[] | null {
  let offset = first;
  for (let walked = 0; offset !== 0; walked++) {
    const end = offset + VFIO_REGION_INFO_CAP_SPARSE_MMAP.size;
    if (walked === MAX_CAPABILITIES) throw badReply('a loop in the capabilities of a region');
    if (offset < VFIO_REGION_INFO.size || end > reply.byteLength)
      throw badReply(`a region capability at ${offset}`);
    const capability = decode(VFIO_REGION_INFO_CAP_SPARSE_MMAP, reply, offset);
    if (capability.id !== VFIO_REGION_INFO_CAP_SPARSE_MMAP_ID) {
      offset = capability.next;
      continue;
    }
    if (end + capability.nr_areas * VFIO_REGION_SPARSE_MMAP_AREA.size > reply.byteLength) {
      throw badReply(`${capability.nr_areas} mappable areas in ${reply.byteLength} bytes`);
    }
    return Array.from({ length: capability.nr_areas }, (_, area) =>
      decode(VFIO_REGION_SPARSE_MMAP_AREA, reply, end + area * VFIO_REGION_SPARSE_MMAP_AREA.size),
    );
  }
  return null;
}

/** Maps what a memory region offers now. Leaves nothing mapped and no descriptor open on an error. */
export function mapRegion(client: VfioUserClient, index: number): { size: number; areas: MappedArea[] } {
  const { info, fds } = regionInfo(client, index);
  const mapped: MappedArea[] = [];
  try {
    const size = toNumber(info.size);
    if (info.areas.length === 0) return { size, areas: [] };
    const [fd] = fds;
    if (fd === undefined) throw badReply(`no descriptor for the mappable region ${index}`);
    const writable = (info.flags & VFIO_REGION_INFO_FLAG_WRITE) !== 0;
    for (const area of info.areas) mapped.push(mapArea(fd, info.fileOffset, area, writable));
    return { size, areas: mapped };
  } catch (error) {
    for (const { mapping } of mapped) native.unmap(mapping);
    throw error;
  } finally {
    closeAll(fds);
  }
}

function mapArea(
  fd: number,
  fileOffset: bigint,
  area: { offset: bigint; size: bigint },
  writable: boolean,
): MappedArea {
  const start = fileOffset + area.offset;
  const file = native.fileInfo(fd);
  // A page beyond the file's end would kill the process at the first touch (SIGBUS).
  if (!file.regular || start + area.size > BigInt(file.size)) {
    throw badReply(`an area of ${area.size} bytes at ${start} of a file of ${file.size} bytes`);
  }
  const mapping = native.mapFd(fd, toNumber(start), toNumber(area.size), writable);
  return { mapping, barOffset: toNumber(area.offset), size: toNumber(area.size) };
}

function toNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw badReply(`a size or offset of ${value}`);
  return Number(value);
}

/** Registers of a region by REGION_READ and REGION_WRITE; an access outside of it throws VPCI_BAD_ACCESS. */
export function regionRegisters(client: VfioUserClient, index: number, size: number): Registers {
  const check = (offset: number, width: number) => {
    if (offset >= 0 && offset + width <= size) return;
    throw new PmdError(
      'VPCI_BAD_ACCESS',
      `Access of ${width} bytes at ${offset} of region ${index} (${size} bytes)`,
    );
  };
  return registersOver(
    (offset, width) => {
      check(offset, width);
      return regionRead(client, index, offset, width);
    },
    (offset, width, value) => {
      check(offset, width);
      regionWrite(client, index, offset, width, value);
    },
  );
}
