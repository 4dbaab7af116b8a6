// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user commands on a real function, mainly their refusals.
import { constants } from 'node:os';
import { beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../../src/abi/layout.ts';
import { VFIO_DEVICE_INFO, VFIO_IRQ_INFO, VFIO_REGION_INFO, VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { join, u32s, u64s } from '../test-help/channel.test-help.ts';
import { DMA_BYTES, IOVA } from '../test-help/driver.test-help.ts';
import { servedFunctionForEachTest } from '../test-help/served-function.test-help.ts';
import { MAX_ACCESS_BYTES } from './commands.ts';
import { MAX_DMA_MAPS } from './dma-table.ts';

const { ENOENT, EEXIST, EINVAL, ENOSPC, ENOSYS } = constants.errno;
const served = servedFunctionForEachTest();

describe('information', () => {
  it('describes a PCI device that can be reset', async () => {
    await served.driver.version();
    const { payload } = await served.driver.request(VFIO_USER.DEVICE_GET_INFO, u32s(16, 0, 0, 0));
    expect(decode(VFIO_DEVICE_INFO, payload)).toEqual({ argsz: 16, flags: 3, num_regions: 9, num_irqs: 5 });
  });

  it('reports the size of every region', async () => {
    await served.driver.version();
    const sizes = [];
    for (let index = 0; index < 9; index++) {
      sizes.push(Number(decode(VFIO_REGION_INFO, (await served.driver.regionInfo(index)).payload).size));
    }
    expect(sizes).toEqual([0x4000, 0x4000, 0, 0, 0, 0, 0, 256, 0]);
  });

  it('has MSI-X vectors and no other interrupt', async () => {
    await served.driver.version();
    const counts = [];
    for (let index = 0; index < 5; index++) {
      const { payload } = await served.driver.request(VFIO_USER.DEVICE_GET_IRQ_INFO, u32s(16, 0, index, 0));
      counts.push(decode(VFIO_IRQ_INFO, payload).count);
    }
    expect(counts).toEqual([0, 0, 4, 0, 0]);
  });
});

const dmaMap = (iova: bigint, size: bigint, offset = 0n, flags = 3, argsz = 32) =>
  join(u32s(argsz, flags), u64s(offset, iova, size));
const dmaUnmap = (iova: bigint, size: bigint, flags = 0) => join(u32s(24, flags), u64s(iova, size));
const irqs = (flags: number, start: number, count: number, index = 2, data = new Uint8Array(0)) =>
  join(u32s(20, flags, index, start, count), data);
const access = (region: number, offset: bigint, count: number) => join(u64s(offset), u32s(region, count));
const SIZE = BigInt(DMA_BYTES);

const REFUSED: [string, number, number, () => [Uint8Array?, number[]?]][] = [
  ['an unknown command', ENOSYS, 99, () => []],
  ['REGION_WRITE_MULTI, which is not offered', ENOSYS, VFIO_USER.REGION_WRITE_MULTI, () => []],
  ['a short payload', EINVAL, VFIO_USER.DMA_MAP, () => [new Uint8Array(31)]],
  [
    'a descriptor where none belongs',
    EINVAL,
    VFIO_USER.DEVICE_RESET,
    () => [undefined, [served.driver.memory]],
  ],
  ['an empty DMA range', EINVAL, VFIO_USER.DMA_MAP, () => [dmaMap(0n, 0n)]],
  ['a DMA range that wraps', EINVAL, VFIO_USER.DMA_MAP, () => [dmaMap(2n ** 64n - 4096n, 8192n)]],
  [
    'a DMA range beyond its file',
    EINVAL,
    VFIO_USER.DMA_MAP,
    () => [dmaMap(0n, SIZE + 1n), [served.driver.memory]],
  ],
  [
    'a DMA offset that overflows',
    EINVAL,
    VFIO_USER.DMA_MAP,
    () => [dmaMap(0n, 4096n, 2n ** 64n - 1n), [served.driver.memory]],
  ],
  [
    'two descriptors for one DMA range',
    EINVAL,
    VFIO_USER.DMA_MAP,
    () => [dmaMap(0n, 4096n), [served.driver.memory, served.driver.memory]],
  ],
  [
    'a DMA descriptor that is not a file',
    EINVAL,
    VFIO_USER.DMA_MAP,
    () => [dmaMap(0n, 4096n), [served.driver.interrupts[0] as number]],
  ],
  ['unknown DMA flags', EINVAL, VFIO_USER.DMA_MAP, () => [dmaMap(0n, 4096n, 0n, 8)]],
  ['a small DMA argsz', EINVAL, VFIO_USER.DMA_MAP, () => [dmaMap(0n, 4096n, 0n, 3, 31)]],
  ['a DMA range that overlaps', EEXIST, VFIO_USER.DMA_MAP, () => [dmaMap(IOVA + 4096n, 4096n)]],
  ['unmapping what is not mapped', ENOENT, VFIO_USER.DMA_UNMAP, () => [dmaUnmap(0n, 4096n)]],
  ['unmapping a part', EINVAL, VFIO_USER.DMA_UNMAP, () => [dmaUnmap(IOVA, 4096n)]],
  ['unmapping nothing', EINVAL, VFIO_USER.DMA_UNMAP, () => [dmaUnmap(IOVA, 0n)]],
  ['unmapping all with a range', EINVAL, VFIO_USER.DMA_UNMAP, () => [dmaUnmap(IOVA, SIZE, 2)]],
  ['unknown unmap flags', EINVAL, VFIO_USER.DMA_UNMAP, () => [dmaUnmap(IOVA, SIZE, 1)]],
  ['a small argsz of GET_INFO', EINVAL, VFIO_USER.DEVICE_GET_INFO, () => [u32s(15, 0, 0, 0)]],
  ['region 9', EINVAL, VFIO_USER.DEVICE_GET_REGION_INFO, () => [join(u32s(32, 0, 9, 0), u64s(0n, 0n))]],
  [
    'a small argsz of GET_REGION_INFO',
    EINVAL,
    VFIO_USER.DEVICE_GET_REGION_INFO,
    () => [join(u32s(31, 0, 0, 0), u64s(0n, 0n))],
  ],
  ['ioeventfds of region 100', EINVAL, VFIO_USER.DEVICE_GET_REGION_IO_FDS, () => [u32s(16, 0, 100, 0)]],
  ['ioeventfd flags', EINVAL, VFIO_USER.DEVICE_GET_REGION_IO_FDS, () => [u32s(16, 1, 0, 0)]],
  ['interrupt index 5', EINVAL, VFIO_USER.DEVICE_GET_IRQ_INFO, () => [u32s(16, 0, 5, 0)]],
  ['a read of nothing', EINVAL, VFIO_USER.REGION_READ, () => [access(7, 0n, 0)]],
  ['a read that is too large', EINVAL, VFIO_USER.REGION_READ, () => [access(7, 0n, MAX_ACCESS_BYTES + 1)]],
  ['a read across the end', EINVAL, VFIO_USER.REGION_READ, () => [access(7, 253n, 4)]],
  ['a read whose end overflows', EINVAL, VFIO_USER.REGION_READ, () => [access(7, 2n ** 64n - 1n, 4)]],
  ['a read of region 9', EINVAL, VFIO_USER.REGION_READ, () => [access(9, 0n, 4)]],
  ['a read of region 2^32 - 1', EINVAL, VFIO_USER.REGION_READ, () => [access(0xffff_ffff, 0n, 4)]],
  ['a read of an absent BAR', EINVAL, VFIO_USER.REGION_READ, () => [access(2, 0n, 4)]],
  ['a wide read of registers', EINVAL, VFIO_USER.REGION_READ, () => [access(0, 0n, 16)]],
  ['a truncated write', EINVAL, VFIO_USER.REGION_WRITE, () => [join(access(7, 4n, 4), new Uint8Array(3))]],
  [
    'a write across the end',
    EINVAL,
    VFIO_USER.REGION_WRITE,
    () => [join(access(1, 0x3ffen, 4), new Uint8Array(4))],
  ],
  ['vectors whose sum overflows', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x21, 0xffff_ffff, 2)]],
  ['vectors that do not exist', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x21, 0, 5)]],
  ['an interrupt index that does not exist', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x21, 0, 0, 5)]],
  ['INTx', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x21, 0, 1, 0)]],
  ['two data types', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x23, 0, 1)]],
  ['no action', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x01, 0, 1)]],
  ['two actions', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x31, 0, 1)]],
  ['unknown interrupt flags', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x121, 0, 1)]],
  ['masking', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x09, 0, 1)]],
  ['too few booleans', EINVAL, VFIO_USER.DEVICE_SET_IRQS, () => [irqs(0x22, 0, 2, 2, Uint8Array.of(1))]],
  [
    'fewer eventfds than vectors',
    EINVAL,
    VFIO_USER.DEVICE_SET_IRQS,
    () => [irqs(0x24, 0, 2), [served.driver.interrupts[0] as number]],
  ],
  [
    'a vector whose descriptor is not an eventfd',
    EINVAL,
    VFIO_USER.DEVICE_SET_IRQS,
    () => [irqs(0x24, 0, 1), [served.driver.memory]],
  ],
  [
    'eventfds without their flag',
    EINVAL,
    VFIO_USER.DEVICE_SET_IRQS,
    () => [irqs(0x21, 0, 1), [served.driver.interrupts[0] as number]],
  ],
  [
    '9 descriptors',
    EINVAL,
    VFIO_USER.DEVICE_SET_IRQS,
    () => [irqs(0x24, 0, 4), new Array<number>(9).fill(served.driver.memory)],
  ],
];

describe('refusals', () => {
  beforeEach(async () => {
    await served.driver.version();
    await served.driver.mapDma();
    await served.driver.setVectors(0, 4);
  });

  it.each(REFUSED)('refuses %s with error %i', async (_, error, command, make) => {
    const fds = openFds();
    expect(await served.driver.errorOf(command, ...make())).toBe(error);
    expect(openFds()).toBe(fds);
    expect(await served.driver.errorOf(VFIO_USER.DEVICE_RESET)).toBe(0);
  });

  it('leaks nothing in a storm of them', async () => {
    const fds = openFds();
    for (let i = 0; i < 3000; i++) {
      const [, error, command, make] = REFUSED[i % REFUSED.length] as (typeof REFUSED)[number];
      expect(await served.driver.errorOf(command, ...make())).toBe(error);
    }
    expect(openFds()).toBe(fds);
  });
});

describe('DMA', () => {
  beforeEach(async () => {
    await served.driver.version();
  });

  it('accepts maps without a descriptor, and unmaps one or all', async () => {
    expect(await served.driver.errorOf(VFIO_USER.DMA_MAP, dmaMap(0n, 4096n))).toBe(0);
    expect(await served.driver.mapDma()).toBe(0);
    expect(served.target.dma.maps).toHaveLength(2);
    const { error, payload } = await served.driver.request(VFIO_USER.DMA_UNMAP, dmaUnmap(0n, 4096n));
    expect([error, payload.byteLength]).toEqual([0, 24]);
    expect(await served.driver.errorOf(VFIO_USER.DMA_UNMAP, dmaUnmap(0n, 0n, 2))).toBe(0);
    expect(served.target.dma.maps).toHaveLength(0);
  });

  it(`keeps at most ${MAX_DMA_MAPS} maps`, async () => {
    for (let i = 0; i < MAX_DMA_MAPS; i++) {
      expect(await served.driver.errorOf(VFIO_USER.DMA_MAP, dmaMap(BigInt(i) * 4096n, 4096n))).toBe(0);
    }
    expect(await served.driver.errorOf(VFIO_USER.DMA_MAP, dmaMap(2n ** 40n, 4096n))).toBe(ENOSPC);
  });
});

describe('interrupts', () => {
  const drain = (vector: number) => native.eventfdDrain(served.driver.interrupts[vector] as number);

  beforeEach(async () => {
    await served.driver.version();
    await served.driver.setVectors(0, 4);
  });

  it('loops a trigger back', async () => {
    expect(await served.driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x21, 1, 2))).toBe(0);
    expect([0, 1, 2, 3].map(drain)).toEqual([0n, 1n, 1n, 0n]);
    await served.driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x22, 0, 3, 2, Uint8Array.of(1, 0, 1)));
    expect([0, 1, 2, 3].map(drain)).toEqual([1n, 0n, 1n, 0n]);
  });

  it('removes some or all eventfds', async () => {
    expect(await served.driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x24, 0, 1))).toBe(0);
    served.target.irqs.raise(0);
    served.target.irqs.raise(1);
    expect([drain(0), drain(1)]).toEqual([0n, 1n]);
    expect(await served.driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x21, 0, 0))).toBe(0);
    served.target.irqs.raise(1);
    expect(drain(1)).toBe(0n);
  });

  it('regression: signals an eventfd that replaces another, once', async () => {
    const old = served.driver.interrupts[1] as number;
    served.driver.interrupts[1] = native.eventfd();
    served.target.irqs.raise(1);
    await served.driver.setVectors(1, 1);
    expect(drain(1)).toBe(1n);
    expect(drain(1)).toBe(0n);
    native.close(old);
  });

  it('regression: raises an interrupt later that came while the vector had no eventfd', async () => {
    expect(await served.driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x24, 0, 2))).toBe(0);
    served.target.irqs.raise(1);
    await served.driver.setVectors(0, 2);
    expect([0, 1, 2].map(drain)).toEqual([0n, 1n, 0n]);
  });
});

describe('regions', () => {
  beforeEach(async () => {
    await served.driver.version();
  });

  it('keeps the MSI-X table and reads no pending bits', async () => {
    expect(await served.driver.write(1, 0x1ffe, Uint8Array.of(1, 2, 3, 4))).toBe(0);
    expect([...(await served.driver.read(1, 0x1ffe, 4))]).toEqual([1, 2, 0, 0]);
  });

  it('resets the state that a driver left behind', async () => {
    await served.driver.write(1, 0, Uint8Array.of(9));
    await served.driver.mapDma();
    served.driver.close();
    await until('it left', () => served.lines.some((line) => line.startsWith('driver disconnected')));
    expect(served.target.dma.maps).toHaveLength(0);
    served.driver = served.connect();
    await served.driver.version();
    expect([...(await served.driver.read(1, 0, 1))]).toEqual([0]);
  });

  it('reaches registers through the configuration space window', async () => {
    const window = (bar: number, offset: number, length: number) =>
      served.driver.write(7, 0x94, join(u32s(bar), u32s(offset, length)));
    await window(0, 0x12, 2);
    expect([...(await served.driver.read(7, 0xa0, 2))]).toEqual([3, 0]);
    await window(0, 0x14, 1);
    await served.driver.write(7, 0xa0, Uint8Array.of(1));
    expect(await served.driver.common('device_status')).toBe(1);
    await window(2, 0, 4);
    expect((await served.driver.read(7, 0xa0, 4)).length).toBe(4);
  });
});
