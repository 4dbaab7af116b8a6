// SPDX-License-Identifier: BSD-3-Clause
// The driver's memory, as DMA_MAP and DMA_UNMAP report it. Nothing is mapped here: the table keeps
// descriptors for session/driver-memory.ts, which maps what it needs. A map without a descriptor (device
// memory, private guest memory) only reserves its range.
import { memoryFileFault } from '../../../src/bus/memory-files.ts';
import { native } from '../../../src/native.ts';
import { closeAll, closeQuietly, takeFd } from '../../socket/fds.ts';
import { EEXIST, EINVAL, ENOENT, ENOSPC, VfioError } from './vfio-error.ts';

export interface DmaMap {
  readonly iova: bigint;
  readonly size: bigint;
  /** -1 for memory that the device cannot access. */
  readonly fd: number;
  readonly offset: number;
  /** Identity of the file; 0 without one. */
  readonly device: bigint;
  readonly inode: bigint;
  readonly writable: boolean;
}

export const MAX_DMA_MAPS = 1024;
const ADDRESS_SPACE = 1n << 64n;
const MAX_OFFSET = BigInt(Number.MAX_SAFE_INTEGER);

export class DmaTable {
  #maps: DmaMap[] = [];

  get maps(): readonly DmaMap[] {
    return this.#maps;
  }

  /** Adds a map and takes its descriptor out of `fds`. Throws EINVAL, EEXIST (overlap) or ENOSPC. */
  map(request: { iova: bigint; size: bigint; offset: bigint; writable: boolean }, fds: number[]): void {
    const { iova, size, offset, writable } = request;
    if (size === 0n || iova + size > ADDRESS_SPACE)
      throw new VfioError(EINVAL, 'a DMA range that is empty or wraps');
    if (fds.length > 1) throw new VfioError(EINVAL, `${fds.length} descriptors for one DMA range`);
    if (this.#maps.some((map) => overlaps(map, iova, size)))
      throw new VfioError(EEXIST, 'overlapping DMA ranges');
    if (this.#maps.length >= MAX_DMA_MAPS)
      throw new VfioError(ENOSPC, `more than ${MAX_DMA_MAPS} DMA ranges`);
    const fd = fds[0] ?? -1;
    const file = fd >= 0 ? checkFile(fd, offset, size) : NO_FILE;
    if (fd >= 0) takeFd(fds, fd);
    this.#maps.push({ iova, size, fd, writable, ...file });
  }

  /**
   * The maps within `[iova, + size)`. Throws EINVAL when the range splits a map, ENOENT when it contains
   * none.
   */
  find(iova: bigint, size: bigint): DmaMap[] {
    if (size === 0n || iova + size > ADDRESS_SPACE)
      throw new VfioError(EINVAL, 'a DMA range that is empty or wraps');
    const found = this.#maps.filter((map) => overlaps(map, iova, size));
    if (found.some((map) => map.iova < iova || map.iova + map.size > iova + size)) {
      throw new VfioError(EINVAL, 'a DMA range that cuts a map in two');
    }
    if (found.length === 0) throw new VfioError(ENOENT, 'a DMA range that is not mapped');
    return found;
  }

  remove(maps: readonly DmaMap[]): void {
    this.#maps = this.#maps.filter((map) => !maps.includes(map));
    for (const map of maps) closeQuietly(map.fd);
  }

  clear(): void {
    closeAll(this.#maps.map(({ fd }) => fd));
    this.#maps = [];
  }
}

function overlaps(map: DmaMap, iova: bigint, size: bigint): boolean {
  return iova < map.iova + map.size && map.iova < iova + size;
}

const NO_FILE = { device: 0n, inode: 0n, offset: 0 } as const;

/**
 * The range must lie in the file, or the first access would raise a signal; and its end must be exact as a
 * number.
 */
function checkFile(fd: number, offset: bigint, size: bigint): Pick<DmaMap, 'device' | 'inode' | 'offset'> {
  const fault = memoryFileFault(fd);
  if (fault) throw new VfioError(EINVAL, `a DMA range in ${fault}`);
  const { regular, size: bytes, device, inode } = native.fileInfo(fd);
  if (!regular) throw new VfioError(EINVAL, 'a DMA descriptor that is not a regular file');
  if (offset + size > BigInt(bytes)) throw new VfioError(EINVAL, 'a DMA range beyond its file');
  if (offset + size > MAX_OFFSET) throw new VfioError(EINVAL, 'a DMA range beyond byte 2^53 of its file');
  return { device, inode, offset: Number(offset) };
}
