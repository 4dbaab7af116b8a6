// SPDX-License-Identifier: BSD-3-Clause
// Memory for a device without an IOMMU: the device uses physical addresses, so the memory lies in hugepages
// (which are not moved) and its address comes from /proc/self/pagemap
// (Documentation/admin-guide/mm/pagemap.rst).
import { closeSync, openSync, readSync } from 'node:fs';
import { alignUp, HUGE_PAGE, PAGE } from '../alignment.ts';
import { PmdError } from '../errors.ts';
import { native } from '../native.ts';
import type { DmaMemory } from './pci-device.ts';

const PAGEMAP = '/proc/self/pagemap';
const PRESENT = 1n << 63n;
const PFN_MASK = (1n << 55n) - 1n;

/**
 * At least `bytes` of zeroed memory that is contiguous for the device `name`; the caller unmaps it. Throws
 * ENOMEM (no hugepages, or no contiguous ones) or EPERM (only root may see physical addresses).
 */
export function allocatePhysicalMemory(bytes: number, name: string): DmaMemory {
  const size = alignUp(bytes, HUGE_PAGE);
  const mapping = mapHugepages(size, name);
  try {
    const buffer = native.mappingBuffer(mapping);
    // Touches every page, so that it is allocated before its address is read.
    for (let offset = 0; offset < size; offset += HUGE_PAGE) new Uint8Array(buffer)[offset] = 0;
    return { mapping, buffer, iova: contiguousAddress(native.mappingAddress(mapping), size, name), size };
  } catch (error) {
    native.unmap(mapping);
    throw error;
  }
}

function mapHugepages(size: number, name: string) {
  try {
    const fd = native.memfdCreate('vhost-pci-dma', size, true);
    try {
      return native.mapFd(fd, 0, size, true);
    } finally {
      native.close(fd);
    }
  } catch {
    throw new PmdError(
      'ENOMEM',
      `Failed to allocate memory for ${name}: without an IOMMU it needs ${size / HUGE_PAGE} hugepages of 2 MiB; reserve some (echo 16 > /proc/sys/vm/nr_hugepages), and check that no control group forbids them (hugetlb.2MB.max)`,
    );
  }
}

function contiguousAddress(address: bigint, size: number, name: string): bigint {
  const pagemap = openSync(PAGEMAP, 'r');
  try {
    const first = physicalAddress(pagemap, address, name);
    for (let offset = HUGE_PAGE; offset < size; offset += HUGE_PAGE) {
      const here = physicalAddress(pagemap, address + BigInt(offset), name);
      if (here !== first + BigInt(offset)) {
        throw new PmdError(
          'ENOMEM',
          `Failed to allocate memory for ${name}: ${size} bytes are not contiguous in physical memory`,
        );
      }
    }
    return first;
  } finally {
    closeSync(pagemap);
  }
}

function physicalAddress(pagemap: number, address: bigint, name: string): bigint {
  const entry = Buffer.alloc(8);
  readSync(pagemap, entry, 0, 8, Number((address / BigInt(PAGE)) * 8n));
  const value = entry.readBigUInt64LE();
  const frame = value & PFN_MASK;
  // Without CAP_SYS_ADMIN the frame numbers read as 0.
  if ((value & PRESENT) === 0n || frame === 0n) {
    throw new PmdError(
      'EPERM',
      `Failed to allocate memory for ${name}: the kernel hides physical addresses; run as root`,
    );
  }
  return frame * BigInt(PAGE);
}
