// SPDX-License-Identifier: BSD-3-Clause
// Memory that this process makes and two drivers share: files that keep their size, in parts that are mapped
// here only to write a state word.
import { closeSync, constants, fchmodSync, openSync } from 'node:fs';
import { PAGE } from '../../../src/alignment.ts';
import { PmdError } from '../../../src/errors.ts';
import { type MappingHandle, native } from '../../../src/native.ts';
import { closeQuietly } from '../../socket/fds.ts';
import type { MemoryFile } from '../vhost-user/memory-table.ts';

/** Limits of the memory of both sides together. */
export const MIN_SHARED_BYTES = 128 * 1024;
export const MAX_SHARED_BYTES = 2 ** 30;
export const DEFAULT_SHARED_BYTES = 2 * 1024 * 1024;

/** Throws unless `bytes` can be the size of a BAR, within the limits. */
export function checkSharedBytes(bytes: number): void {
  const power = Number.isInteger(Math.log2(bytes));
  if (power && bytes >= MIN_SHARED_BYTES && bytes <= MAX_SHARED_BYTES) return;
  throw new PmdError('VPCI_USAGE', `a shared memory of ${bytes} bytes: choose a power of two, 128K to 1G`);
}

/** Aligned words of 32 bits, as other processes see them. */
export interface SharedPage {
  read(at: number): number;
  write(at: number, value: number): void;
}

/** A file of whole pages; shared by descriptor. */
export class SharedFile {
  readonly file: MemoryFile;
  #readOnly: MemoryFile | null = null;
  #mappings: MappingHandle[] = [];

  constructor(name: string, bytes: number) {
    this.file = identify(native.memfdCreate(name, bytes, false));
  }

  /**
   * The same file, opened for reading only. A descriptor can be opened again by its path in /proc, so the
   * file loses its permission bits: only its owner and root could open it for writing after that.
   */
  get readOnly(): MemoryFile {
    if (!this.#readOnly) {
      const path = `/proc/self/fd/${this.file.fd}`;
      this.#readOnly = identify(openSync(path, constants.O_RDONLY));
      fchmodSync(this.file.fd, 0);
    }
    return this.#readOnly;
  }

  /** The page at `offset`, until the file is closed. */
  page(offset: number): SharedPage {
    const mapping = native.mapFd(this.file.fd, offset, PAGE, true);
    this.#mappings.push(mapping);
    return {
      read: (at) => native.atomicRead(mapping, at) >>> 0,
      write: (at, value) => native.atomicWrite(mapping, at, value),
    };
  }

  close(): void {
    for (const mapping of this.#mappings.splice(0)) native.unmap(mapping);
    if (this.#readOnly) closeSync(this.#readOnly.fd);
    this.#readOnly = null;
    closeQuietly(this.file.fd);
  }
}

function identify(fd: number): MemoryFile {
  try {
    const { device, inode, size } = native.fileInfo(fd);
    return { fd, device, inode, size: BigInt(size) };
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
}
