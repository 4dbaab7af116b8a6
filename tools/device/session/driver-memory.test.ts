// SPDX-License-Identifier: BSD-3-Clause
// A driver's memory as reported through an IOMMU: page by page, scattered over the file.
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encode } from '../../../src/abi/layout.ts';
import { VRING_DESC, VRING_DESC_F_WRITE } from '../../../src/abi/virtio-ring.ts';
import { type MappingHandle, native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { VERSION_1 } from '../function/features.ts';
import type { DmaMap } from '../vfio-user/dma-table.ts';
import { ControlQueue } from './control-queue.ts';
import { DriverMemory } from './driver-memory.ts';

const PAGE = 4096;
const IOVA = 0x10_0000n;
/** Pages of the file, in address order. */
const PLACES = [2, 0, 1];

/** Two hugepages of 2 MiB, or -1 if none are available. */
function hugepages(): number {
  try {
    return native.memfdCreate('huge', 4 << 20, true);
  } catch {
    return -1;
  }
}

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
    device: 1n,
    inode: 1n,
    writable: true,
  });
  const page = (place: number) => new Uint8Array(native.mappingBuffer(file), place * PAGE, PAGE);

  it('reads and writes as one range', () => {
    page(2).fill(1);
    page(0).fill(2);
    page(1).fill(3);
    const reversed = [...maps].reverse();
    const memory = new DriverMemory(() => reversed);
    const bytes = memory.read({ address: IOVA, bytes: 3 * PAGE });
    expect([PAGE - 1, PAGE, 2 * PAGE - 1, 2 * PAGE].map((at) => bytes?.[at])).toEqual([1, 2, 2, 3]);
    expect(memory.write(IOVA + BigInt(PAGE - 1), Uint8Array.of(7, 8))).toBe(true);
    expect([page(2)[PAGE - 1], page(0)[0]]).toEqual([7, 8]);
    memory.close();
  });

  it('ends where a page is missing', () => {
    const [first, , last] = maps as [DmaMap, DmaMap, DmaMap];
    const memory = new DriverMemory(() => [first, last]);
    expect(memory.read({ address: IOVA, bytes: PAGE })).not.toBeNull();
    expect(memory.read({ address: IOVA, bytes: PAGE + 1 })).toBeNull();
    expect(memory.write(IOVA + BigInt(PAGE - 1), Uint8Array.of(7, 8))).toBe(false);
    expect(memory.covers({ address: IOVA + BigInt(2 * PAGE), bytes: PAGE })).toBe(true);
    expect(memory.covers({ address: IOVA, bytes: 3 * PAGE })).toBe(false);
    expect(() => memory.place([{ address: IOVA, bytes: 2 * PAGE }])).toThrow('no memory at 0x101000');
    memory.close();
  });

  it('is read but not written where the driver only allows reading', () => {
    const memory = new DriverMemory(() => [{ ...mapOf(0, 0), writable: false }]);
    expect(memory.read({ address: IOVA, bytes: 2 })).toHaveLength(2);
    expect(memory.readU16(IOVA)).toBe(page(0)[0]);
    expect(memory.write(IOVA, Uint8Array.of(1))).toBe(false);
    expect(() => memory.place([{ address: IOVA, bytes: 16 }])).toThrow('is read-only');
    memory.close();
  });

  it('holds a ring across its pieces, unless they split a page', () => {
    const memory = new DriverMemory(() => maps);
    const across = memory.place([{ address: IOVA + 16n, bytes: 3 * PAGE - 32 }]);
    across.close();
    memory.close();
    const cut = [mapOf(0, 0, 100), { ...mapOf(1, PAGE), iova: IOVA + 100n }];
    const pieces = new DriverMemory(() => cut);
    expect(() => pieces.place([{ address: IOVA, bytes: 200 }])).toThrow('pieces smaller than a page');
    expect(pieces.read({ address: IOVA, bytes: 200 })).toHaveLength(200);
    pieces.close();
  });

  it('follows the current maps, and forgets removed ones', () => {
    let now = [mapOf(0, 0)];
    const memory = new DriverMemory(() => now);
    page(0)[0] = 1;
    page(1)[0] = 2;
    expect(memory.read({ address: IOVA, bytes: 1 })?.[0]).toBe(1);
    memory.forget(now);
    now = [mapOf(0, PAGE)];
    expect(memory.read({ address: IOVA, bytes: 1 })?.[0]).toBe(2);
    memory.forget(now);
    now = [];
    expect(memory.read({ address: IOVA, bytes: 1 })).toBeNull();
    memory.close();
  });

  it('is mapped a few windows at a time, however much a driver maps', () => {
    const large = native.memfdCreate('large', 2 ** 40, false);
    const whole = { ...mapOf(0, 0), fd: large, size: 1n << 40n, inode: 2n };
    const memory = new DriverMemory(() => [whole]);
    const mapped = () => readFileSync('/proc/self/maps', 'utf8').split('memfd:large').length - 1;
    for (let i = 0; i < 100; i++) memory.write(IOVA + BigInt(i) * (1n << 33n), Uint8Array.of(i));
    expect(mapped()).toBeGreaterThan(0);
    expect(mapped()).toBeLessThanOrEqual(16);
    expect(memory.read({ address: IOVA + 99n * (1n << 33n), bytes: 1 })?.[0]).toBe(99);
    expect(memory.read({ address: IOVA + 3n * (1n << 33n), bytes: 1 })?.[0]).toBe(3);
    memory.close();
    expect(mapped()).toBe(0);
    native.close(large);
  });

  it('regression: may lie in hugepages at any offset, as a PC has it above its VGA hole', (context) => {
    const huge = hugepages();
    if (huge < 0) return context.skip();
    const hole = { ...mapOf(0, 0xc_0000), fd: huge, size: 0x8_0000n };
    const above = { ...hole, iova: IOVA + hole.size, offset: 0x14_0000, size: 0x20_0000n };
    const memory = new DriverMemory(() => [hole, above]);
    const address = above.iova - 8n;
    memory.place([{ address, bytes: 16 }]).close();
    expect(memory.write(address, new Uint8Array(16).fill(9))).toBe(true);
    expect(memory.readU16(above.iova + 6n)).toBe(0x909);
    expect(memory.read({ address: above.iova + 0x1f_fff0n, bytes: 16 })).toHaveLength(16);
    memory.close();
    native.close(huge);
  });

  it('takes a message in a buffer that spans pages', () => {
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
    const memory = new DriverMemory(() => maps);
    queue.start({ desc, avail, used, size: 16, features: VERSION_1, memory });
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
    const memory = new DriverMemory(() => maps);
    queue.start({ desc, avail, used, size: 16, features: VERSION_1, memory });
    queue.poll();
    expect(maps.map((map) => queue.uses(map))).toEqual([true, true, true]);
    queue.close();
    memory.close();
  });
});
