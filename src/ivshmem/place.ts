// SPDX-License-Identifier: BSD-3-Clause
// Where a user says that memory is: a file, a PCI function by its address, or one behind a vfio-user socket.
// Files are opened so that nothing blocks: not by a FIFO, not by a file system that fetches its pages.
import { closeSync, constants, openSync, type Stats, statSync } from 'node:fs';
import {
  IVSHMEM_DEVICE_ID,
  IVSHMEM_MEMORY_BAR,
  IVSHMEM_VENDOR_ID,
  IVSHMEM2_DEVICE_ID,
  IVSHMEM2_VENDOR_ID,
} from '../abi/ivshmem.ts';
import { PAGE } from '../alignment.ts';
import { memoryFileFault } from '../bus/memory-files.ts';
import { openPciAddress, type PciKind } from '../bus/open-pci.ts';
import type { PciDevice } from '../bus/pci-device.ts';
import { openVfioUser } from '../bus/vfio-user.ts';
import { failedTo, PmdError } from '../errors.ts';
import { type MappingHandle, native } from '../native.ts';
import { parsePciAddress } from '../pci/address.ts';
import { describeIdentity, readIdentity } from '../pci/config-space.ts';
import { kindOf } from '../user-file.ts';

export const IVSHMEM_KIND: PciKind = {
  what: 'an ivshmem function',
  vendor: IVSHMEM_VENDOR_ID,
  device: IVSHMEM_DEVICE_ID,
};
export const IVSHMEM2_KIND: PciKind = {
  what: 'an ivshmem v2 function',
  vendor: IVSHMEM2_VENDOR_ID,
  device: IVSHMEM2_DEVICE_ID,
};

/** Memory that can be mapped in parts, and the function that has it, if one does. */
export interface Place {
  readonly name: string;
  /** Equal for two names of the same memory. */
  readonly identity: string;
  /** Bytes. */
  readonly size: number;
  readonly pci: PciDevice | null;
  /** Whether nobody else has taken this part for itself, from now until close. */
  take(offset: number, size: number): boolean;
  /** The caller unmaps. */
  map(offset: number, size: number, writable: boolean): MappingHandle;
  close(): void;
}

const cannot = (name: string, cause: string) =>
  new PmdError('VPCI_BAD_MEMORY', `Failed to open ${name}: ${cause}`);

/** True if the text names a PCI function: an address, or a socket. */
export function isFunction(text: string): boolean {
  return parsePciAddress(text) !== null || (statOf(text)?.isSocket() ?? false);
}

/** The full PCI address, or the same file or socket for each of its names; null if there is no such file. */
export function identityOf(text: string): string | null {
  const address = parsePciAddress(text);
  if (address !== null) return address;
  const status = statOf(text);
  return status ? `${status.dev}:${status.ino}` : null;
}

/** Bytes; null if it is no file. */
export function fileSize(text: string): number | null {
  const status = statOf(text);
  return status?.isFile() ? status.size : null;
}

/** Opens an ivshmem function, by its address or socket. Throws VPCI_WRONG_DEVICE, or what the bus throws. */
export function openFunction(text: string, kinds: readonly PciKind[] = [IVSHMEM_KIND]): PciDevice {
  const address = parsePciAddress(text);
  if (address !== null) return openPciAddress(address, undefined, kinds);
  const pci = openVfioUser(text);
  const identity = readIdentity(pci.config);
  if (kinds.some(({ vendor, device }) => vendor === identity.vendor && device === identity.device))
    return pci;
  pci.close();
  const wanted = kinds.map(({ what }) => what).join(' or ');
  throw new PmdError(
    'VPCI_WRONG_DEVICE',
    `Failed to open ${text}: it is not ${wanted} but ${describeIdentity(identity)}`,
  );
}

/** BAR 2 of an ivshmem function, which the place then owns. */
export function memoryOf(pci: PciDevice): Place {
  const size = pci.barSize(IVSHMEM_MEMORY_BAR);
  return {
    name: pci.name,
    identity: pci.name,
    size,
    pci,
    // The bus gives a function to one process.
    take: () => true,
    map: (offset, bytes, writable) => mapBarPart(pci, offset, bytes, writable),
    close: () => pci.close(),
  };
}

/** Maps a part of BAR 2. Throws VPCI_BAD_MEMORY if it cannot be mapped as a whole. */
export function mapBarPart(pci: PciDevice, offset: number, size: number, writable: boolean): MappingHandle {
  const areas = pci.mapBar(IVSHMEM_MEMORY_BAR, { offset, size, writable });
  const [area] = areas;
  const whole = area?.barOffset === offset && area.size === size && (area.writable || !writable);
  if (area && whole && !area.mayHang) return area.mapping;
  for (const { mapping } of areas) native.unmap(mapping);
  throw cannot(
    pci.name,
    `${size} bytes at ${offset} of BAR ${IVSHMEM_MEMORY_BAR} cannot be mapped${writable ? ' for writing' : ''}`,
  );
}

/** A file; `writable` opens it for writing. Throws VPCI_BAD_MEMORY or an errno, naming it. */
export function openMemoryFile(path: string, writable: boolean): Place {
  const status = statOf(path);
  if (status === null) throw new PmdError('ENOENT', `Failed to open ${path}: there is no such file`);
  // Before opening it: opening a device may have effects.
  if (!status.isFile()) throw cannot(path, `it is ${kindOf(status)}, not a file`);
  const fd = openFile(path, writable);
  const fault = memoryFileFault(fd);
  const { size } = native.fileInfo(fd);
  const place: Place = {
    name: path,
    identity: `${status.dev}:${status.ino}`,
    size,
    pci: null,
    take: (offset, bytes) => native.lockFile(fd, offset, bytes),
    map: (offset, bytes, toWrite) => native.mapFd(fd, offset, bytes, toWrite),
    close: () => closeSync(fd),
  };
  if (fault === null && size > 0 && size % PAGE === 0) return place;
  place.close();
  if (fault !== null) throw cannot(path, `it is ${fault}`);
  throw cannot(
    path,
    `its size has to be a multiple of ${PAGE} bytes, and is ${size}; truncate -s 1M ${path}`,
  );
}

function openFile(path: string, writable: boolean): number {
  const flags = (writable ? constants.O_RDWR : constants.O_RDONLY) | constants.O_NONBLOCK;
  try {
    return openSync(path, flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw failedTo(`open ${path}`, error);
    const need = writable ? 'to write' : 'to read';
    throw new PmdError(code, `Failed to open ${path}: no permission ${need} it`);
  }
}

/** Null if there is no such file. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    throw failedTo(`open ${path}`, error);
  }
}
