// SPDX-License-Identifier: BSD-3-Clause
// Regions of a vfio-user device: their information, and mapping of the mappable parts.
import {
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_FLAG_WRITE,
  VFIO_USER,
  VFIO_USER_MAX_MSG_FDS,
} from '../abi/vfio-user.ts';
import { PmdError } from '../errors.ts';
import { native } from '../native.ts';
import { registersOver } from '../pci/registers.ts';
import { isSafeMemory, memoryFileFault } from './memory-files.ts';
import type { BarPart, MappedArea, Registers } from './pci-device.ts';
import { clipAreas, MAX_REGION_INFO_BYTES, parseRegionInfo, type RegionInfo } from './region-info.ts';
import { closeAll, type VfioUserClient } from './vfio-user-client.ts';
import { badReply, bytesOf, decodeReply, regionRead, regionWrite } from './vfio-user-commands.ts';

/** Queries a region; returns its information and the descriptors received, which the caller owns. */
export function regionInfo(
  client: VfioUserClient,
  index: number,
): { info: RegionInfo; fds: readonly number[] } {
  // If the buffer is too small, the server replies with the required size (vfio-user.rst,
  // DEVICE_GET_REGION_INFO).
  let argsz: number = VFIO_REGION_INFO.size;
  for (let attempt = 0; attempt < 3; attempt++) {
    const { payload: reply, fds } = client.request({
      command: VFIO_USER.DEVICE_GET_REGION_INFO,
      payload: bytesOf(VFIO_REGION_INFO, { argsz, index }),
      maxReplyFds: VFIO_USER_MAX_MSG_FDS,
    });
    try {
      const head = decodeReply(VFIO_REGION_INFO, reply, 'DEVICE_GET_REGION_INFO');
      if (head.argsz <= argsz) return { info: parseRegionInfo(index, reply, badReply), fds };
      if (head.argsz > MAX_REGION_INFO_BYTES)
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

/**
 * Maps the current areas of a memory region, or a part of them. Leaves nothing mapped and no descriptor open
 * on error.
 */
export function mapRegion(
  client: VfioUserClient,
  index: number,
  part?: BarPart,
): { size: number; areas: MappedArea[] } {
  const { info, fds } = regionInfo(client, index);
  const mapped: MappedArea[] = [];
  try {
    const size = toNumber(info.size);
    const wanted = clipAreas(info.areas, part);
    if (wanted.length === 0) return { size, areas: [] };
    const [fd] = fds;
    if (fd === undefined) throw badReply(`no descriptor for the mappable region ${index}`);
    const writable = (info.flags & VFIO_REGION_INFO_FLAG_WRITE) !== 0 && part?.writable !== false;
    for (const area of wanted) mapped.push(mapArea(fd, info.fileOffset, area, writable));
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
  const fault = memoryFileFault(fd);
  if (fault) throw new PmdError('VPCI_BAD_MEMORY', `The device offers ${fault}`);
  const file = native.fileInfo(fd);
  // Touching a page beyond the end of the file would kill the process (SIGBUS).
  if (!file.regular || start + area.size > BigInt(file.size)) {
    throw badReply(`an area of ${area.size} bytes at ${start} of a file of ${file.size} bytes`);
  }
  const [from, size] = [toNumber(start), toNumber(area.size)];
  try {
    const mapping = native.mapFd(fd, from, size, writable);
    return { mapping, barOffset: toNumber(area.offset), size, writable, mayHang: !isSafeMemory(fd) };
  } catch (error) {
    // An offset that is not page-aligned, or a read-only descriptor.
    throw badReply(`an area of ${size} bytes at ${start} that can't be mapped: ${(error as Error).message}`);
  }
}

function toNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw badReply(`a size or offset of ${value}`);
  return Number(value);
}

/** Registers of a region by REGION_READ and REGION_WRITE; an access outside it throws VPCI_BAD_ACCESS. */
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
