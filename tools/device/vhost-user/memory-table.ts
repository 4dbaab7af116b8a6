// SPDX-License-Identifier: BSD-3-Clause
// The memory that a peer has shared, as an immutable table of validated regions over open files. The device
// model never accesses it through a mapping: it reads ring positions with pread, so that a truncated file is
// an error and not a signal.
import { readSync, writeSync } from 'node:fs';
import { memoryFileFault } from '../../../src/bus/memory-files.ts';
import { native } from '../../../src/native.ts';
import { closeQuietly, takeFd } from '../../socket/fds.ts';
import { type FileIdentity, findFault, type Region, sameFile } from './bar-layout.ts';
import { ProtocolError } from './protocol-error.ts';

export interface MemoryFile extends FileIdentity {
  readonly fd: number;
}

/** A region as a message describes it, without its descriptor. */
export interface RegionMessage {
  readonly guest_phys_addr: bigint;
  readonly memory_size: bigint;
  readonly userspace_addr: bigint;
  readonly mmap_offset: bigint;
}

export class MemoryTable {
  readonly regions: readonly Region<MemoryFile>[];

  private constructor(regions: readonly Region<MemoryFile>[]) {
    this.regions = regions;
  }

  static readonly empty = new MemoryTable([]);

  /**
   * `base` extended by the regions of a message, one descriptor each. The descriptors stay in `fds` until
   * `adopt`. Throws ProtocolError.
   */
  static add(base: MemoryTable, messages: readonly RegionMessage[], fds: number[]): MemoryTable {
    const added = messages.map((message, i) => ({
      gpa: message.guest_phys_addr,
      size: message.memory_size,
      userAddress: message.userspace_addr,
      fileOffset: message.mmap_offset,
      file: identify(fds[i] ?? -1, i),
    }));
    const table = new MemoryTable(shareFiles([...base.regions, ...added]));
    const fault = findFault(table.regions);
    if (fault) throw new ProtocolError(fault);
    return table;
  }

  /** Takes the descriptors that the table needs out of a message. */
  adopt(fds: number[]): void {
    for (const { file } of this.regions) takeFd(fds, file.fd);
  }

  /**
   * The table without one region, identified by its addresses and size; null if the table does not contain
   * it.
   */
  without(message: RegionMessage): MemoryTable | null {
    const rest = this.regions.filter(
      (region) =>
        region.gpa !== message.guest_phys_addr ||
        region.size !== message.memory_size ||
        region.userAddress !== message.userspace_addr,
    );
    return rest.length === this.regions.length ? null : new MemoryTable(rest);
  }

  /** Guest-physical address of `[userAddress, + bytes)` if the range lies in a single region, else null. */
  translate(userAddress: bigint, bytes: number): bigint | null {
    for (const region of this.regions) {
      if (userAddress < region.userAddress) continue;
      const offset = userAddress - region.userAddress;
      if (offset + BigInt(bytes) <= region.size) return region.gpa + offset;
    }
    return null;
  }

  /** The little-endian word at a guest-physical address; null when it cannot be read. */
  readU16(gpa: bigint): number | null {
    return this.read(gpa, 2)?.getUint16(0, true) ?? null;
  }

  /** A copy of a guest-physical range that lies in one region; null when it cannot be read. */
  read(gpa: bigint, bytes: number): DataView | null {
    const region = this.regions.find((r) => gpa >= r.gpa && gpa + BigInt(bytes) <= r.gpa + r.size);
    if (!region) return null;
    const data = readFile(region.file, region.fileOffset + gpa - region.gpa, bytes);
    return data && new DataView(data.buffer);
  }

  /** Closes the files that `next` does not use. */
  closeExcept(next: MemoryTable): void {
    const kept = new Set(next.regions.map(({ file }) => file.fd));
    for (const fd of new Set(this.regions.map(({ file }) => file.fd))) if (!kept.has(fd)) closeQuietly(fd);
  }
}

/** Reads the whole range or returns null; never raises a signal. */
export function readFile(file: MemoryFile, offset: bigint, bytes: number): Uint8Array | null {
  const data = new Uint8Array(bytes);
  try {
    return readSync(file.fd, data, 0, bytes, Number(offset)) === bytes ? data : null;
  } catch {
    return null;
  }
}

/** False when the file does not support write(2), as on hugetlbfs. */
export function writeFile(file: MemoryFile, offset: bigint, data: Uint8Array): boolean {
  try {
    return writeSync(file.fd, data, 0, data.length, Number(offset)) === data.length;
  } catch {
    return false;
  }
}

/**
 * Front-ends send a duplicate descriptor for each region: keeps one descriptor per file, with the latest
 * size.
 */
function shareFiles(regions: readonly Region<MemoryFile>[]): Region<MemoryFile>[] {
  const files: MemoryFile[] = [];
  for (const { file } of regions) {
    const known = files.findIndex((other) => sameFile(other, file));
    const first = files[known];
    if (first) files[known] = { ...file, fd: first.fd };
    else files.push(file);
  }
  return regions.map((region) => ({
    ...region,
    file: files.find((file) => sameFile(file, region.file)) ?? region.file,
  }));
}

function identify(fd: number, index: number): MemoryFile {
  const fault = memoryFileFault(fd);
  if (fault) throw new ProtocolError(`the memory of region ${index} is ${fault}`);
  const info = native.fileInfo(fd);
  if (!info.regular) throw new ProtocolError(`the descriptor of region ${index} is not a regular file`);
  if (info.size > 0) requireWritable(fd, index);
  return { fd, device: info.device, inode: info.inode, size: BigInt(info.size) };
}

/**
 * The driver's machine maps this memory writable, and could not start with a file that is read-only or sealed
 * against writing.
 */
function requireWritable(fd: number, index: number): void {
  try {
    native.unmap(native.mapFd(fd, 0, 1, true));
  } catch (error) {
    throw new ProtocolError(`the memory of region ${index} cannot be written: ${(error as Error).message}`);
  }
}
