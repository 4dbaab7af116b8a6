// SPDX-License-Identifier: BSD-3-Clause
// A driver's memory as an IOMMU tells it: page by page, each somewhere else in the file.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encode } from '../../src/abi/layout.ts';
import { VRING_DESC, VRING_DESC_F_WRITE } from '../../src/abi/virtio-ring.ts';
import { type MappingHandle, native } from '../../src/native.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { ControlQueue } from './control-queue.ts';
import type { DmaMap } from './dma-table.ts';
import { DriverMemory } from './driver-memory.ts';

const PAGE = 4096;
const IOVA = 0x10_0000n;
/** Pages of the file, in the order of their addresses. */
const PLACES = [2, 0, 1];

describe("a driver's memory in scattered pages", () => {
  let fd: number;
  let file: MappingHandle;
  let maps: DmaMap[];
  let before: number;

  beforeEach(() => {
    before = openFds();
    fd = native.memfdCreate('driver', PLACES.length * PAGE, false);
    file = native.mapFd(fd, 0, PLACES.length * PAGE, true);
    maps = PLACES.map((place, i) => mapOf(i, place * PAGE));
  });

  afterEach(() => {
    native.unmap(file);
    native.close(fd);
    expect(openFds()).toBe(before);
  });

  const mapOf = (index: number, offset: number, size = PAGE): DmaMap => ({
    iova: IOVA + BigInt(index * PAGE),
    size: BigInt(size),
    fd,
    offset,
    writable: true,
  });
  const ranges = (memory: DriverMemory) => memory.runs.map(({ iova, size }) => [iova, size]);
  const page = (place: number) => new Uint8Array(native.mappingBuffer(file), place * PAGE, PAGE);

  it('is one range to who looks', () => {
    page(2).fill(1);
    page(0).fill(2);
    page(1).fill(3);
    const memory = new DriverMemory([...maps].reverse());
    expect(ranges(memory)).toEqual([[IOVA, BigInt(3 * PAGE)]]);
    const bytes = new Uint8Array(native.mappingBuffer(memory.runs[0]?.mapping as MappingHandle));
    expect([PAGE - 1, PAGE, 2 * PAGE - 1, 2 * PAGE].map((at) => bytes[at])).toEqual([1, 2, 2, 3]);
    memory.close();
  });

  it('ends where a page is missing', () => {
    const [first, , last] = maps as [DmaMap, DmaMap, DmaMap];
    const memory = new DriverMemory([first, last]);
    expect(ranges(memory)).toEqual([
      [IOVA, BigInt(PAGE)],
      [IOVA + BigInt(2 * PAGE), BigInt(PAGE)],
    ]);
    memory.close();
  });

  it('does without a part that is no whole page', () => {
    const memory = new DriverMemory([mapOf(0, 0, PAGE), mapOf(1, PAGE, 100)]);
    expect(ranges(memory)).toEqual([
      [IOVA, BigInt(PAGE)],
      [IOVA + BigInt(PAGE), 100n],
    ]);
    memory.close();
  });

  it('takes a message in a buffer that lies across pages', () => {
    const errors: string[] = [];
    const queue = new ControlQueue({
      onMessage: () => {},
      interrupt: () => {},
      onError: (reason) => errors.push(reason),
    });
    const ring = new DataView(native.mappingBuffer(file), 2 * PAGE, PAGE);
    const addr = IOVA + BigInt(PAGE + 0x800);
    encode(VRING_DESC, { addr, len: PAGE, flags: VRING_DESC_F_WRITE }, ring);
    ring.setUint16(0x802, 1, true); // avail.idx
    const [desc, avail, used] = [IOVA, IOVA + 0x800n, IOVA + 0xc00n];
    const memory = new DriverMemory(maps);
    queue.start({ desc, avail, used, size: 16, features: 1n << 32n, memory });
    queue.send(new Uint8Array(3000).map((_, i) => i % 251));
    expect(errors).toEqual([]);
    expect([page(0)[0x800], page(0)[PAGE - 1], page(1)[0], page(1)[3000 - 0x800 - 1]]).toEqual([
      0,
      0x7ff % 251,
      0x800 % 251,
      2999 % 251,
    ]);
    expect(maps.map((map) => queue.uses(map))).toEqual([true, false, false]);
    queue.close();
    memory.close();
  });

  it('is known to be in use while a buffer lies in it', () => {
    const queue = new ControlQueue({ onMessage: () => {}, interrupt: () => {}, onError: () => {} });
    const ring = new DataView(native.mappingBuffer(file), 2 * PAGE, PAGE);
    const addr = IOVA + BigInt(PAGE + 0x800);
    encode(VRING_DESC, { addr, len: PAGE, flags: VRING_DESC_F_WRITE }, ring);
    ring.setUint16(0x802, 1, true);
    const [desc, avail, used] = [IOVA, IOVA + 0x800n, IOVA + 0xc00n];
    const memory = new DriverMemory(maps);
    queue.start({ desc, avail, used, size: 16, features: 1n << 32n, memory });
    queue.poll();
    expect(maps.map((map) => queue.uses(map))).toEqual([true, true, true]);
    queue.close();
    memory.close();
  });
});
