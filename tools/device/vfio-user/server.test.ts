// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user server over a real function, its refusals above all.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../../src/abi/layout.ts';
import {
  VFIO_DEVICE_INFO,
  VFIO_IRQ_INFO,
  VFIO_REGION_INFO,
  VFIO_USER,
  VFIO_USER_HEADER,
  VFIO_USER_MAX_MESSAGE,
} from '../../../src/abi/vfio-user.ts';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { PciFunction } from '../function/pci-function.ts';
import { logTo } from '../log.ts';
import { join, u32s, u64s, vfioUserMessage } from '../test-help/channel.test-help.ts';
import { DMA_BYTES, IOVA, TestDriver } from '../test-help/driver.test-help.ts';
import { MAX_ACCESS_BYTES } from './commands.ts';
import { MAX_DMA_MAPS } from './dma-table.ts';
import { VfioUserServer } from './server.ts';

const [ENOENT, EEXIST, EINVAL, ENOSPC, ENOSYS] = [2, 17, 22, 28, 38];

let folder: string;
let path: string;
let server: VfioUserServer;
let target: PciFunction;
let driver: TestDriver;
let lines: string[];
let fdsBefore: number;

const connect = () => new TestDriver(native.unixConnect(path));

beforeEach(() => {
  fdsBefore = openFds();
  folder = mkdtempSync(joinPath(tmpdir(), 'vfio-user-'));
  path = joinPath(folder, 'socket');
  lines = [];
  target = new PciFunction({
    queuePairs: 1,
    subsystemId: 21,
    memoryFiles: () => new Map(),
    dmaUnmapping: () => {},
    onFault: () => {},
    hooks: {
      offeredFeatures: () => 1n << 32n,
      acceptFeatures: () => true,
      driverOk: () => {},
      queueEnabled: () => {},
      driverGone: () => {},
      notified: () => {},
    },
  });
  server = new VfioUserServer(
    path,
    target,
    logTo((line) => lines.push(line), false),
  );
  server.listen();
  driver = connect();
});

afterEach(async () => {
  driver.close();
  server.close();
  target.close();
  await until('no descriptor is left', () => openFds() <= fdsBefore);
  rmSync(folder, { recursive: true });
});

const text = (payload: DataView, from: number) =>
  new TextDecoder().decode(new Uint8Array(payload.buffer, payload.byteOffset + from));

describe('VERSION', () => {
  it('agrees on 0.0 with a short, terminated string', async () => {
    const { error, payload } = await driver.version();
    expect(error).toBe(0);
    expect(payload.getUint32(0, true)).toBe(0);
    expect(text(payload, 4)).toBe('{"capabilities":{"max_msg_fds":8}}\0');
  });

  it('answers a short request with a reply that is no longer', async () => {
    const { error, payload } = await driver.request(VFIO_USER.VERSION, u32s(0));
    expect(error).toBe(0);
    expect(payload.byteLength).toBe(4);
  });

  it.each([
    ['another major version', join(u32s(1), new TextEncoder().encode('{}\0'))],
    ['no version at all', new Uint8Array(2)],
    ['a string that does not end', join(u32s(0), new TextEncoder().encode('{}'))],
    ['a string that is no JSON', join(u32s(0), new TextEncoder().encode('{{{\0'))],
    ['a string that is no UTF-8', join(u32s(0), Uint8Array.of(0xff, 0xfe, 0))],
    ['JSON that is no object', join(u32s(0), new TextEncoder().encode('[1]\0'))],
    ['capabilities that are no object', join(u32s(0), new TextEncoder().encode('{"capabilities":3}\0'))],
    [
      'a max_msg_fds of another type',
      join(u32s(0), new TextEncoder().encode('{"capabilities":{"max_msg_fds":"8"}}\0')),
    ],
    ['a max_msg_fds of 0', join(u32s(0), new TextEncoder().encode('{"capabilities":{"max_msg_fds":0}}\0'))],
    ['a string too long to be one', join(u32s(0), new Uint8Array(8192).fill(0x20, 0, 8191))],
    ['deep JSON', join(u32s(0), new TextEncoder().encode(`${'['.repeat(4000)}\0`))],
  ])('refuses %s and closes', async (_, payload) => {
    expect(await driver.errorOf(VFIO_USER.VERSION, payload)).toBe(EINVAL);
    await until('it is closed', () => driver.channel.closedBecause !== null);
  });

  it('comes first and comes once', async () => {
    expect(await driver.errorOf(VFIO_USER.DEVICE_RESET)).toBe(EINVAL);
    await until('it is closed', () => driver.channel.closedBecause !== null);
    const next = connect();
    expect((await next.version()).error).toBe(0);
    expect((await next.version()).error).toBe(EINVAL);
    expect(await next.errorOf(VFIO_USER.DEVICE_RESET)).toBe(0);
    next.close();
  });
});

describe('framing', () => {
  it.each([
    ['a size below the header', [0x0001_0007, 15, 0, 0]],
    ['a size of 0', [0x0001_0007, 0, 0, 0]],
    ['a size above the limit', [0x0001_0007, VFIO_USER_MAX_MESSAGE + 1, 0, 0]],
    ['a reply', [0x0001_0007, 16, 1, 0]],
    ['a type that does not exist', [0x0001_0007, 16, 5, 0]],
  ])('closes at %s', async (_, words) => {
    await driver.version();
    driver.channel.send(u32s(...words), [driver.memory]);
    await until('it is closed', () => driver.channel.closedBecause !== null);
    expect(lines.filter((line) => line.startsWith('driver left'))).toHaveLength(1);
  });

  it('answers nothing to a message that wants no reply, an error neither', async () => {
    await driver.version();
    driver.channel.send(vfioUserMessage(VFIO_USER.DEVICE_RESET, new Uint8Array(0), 0x10, 1));
    driver.channel.send(vfioUserMessage(99, new Uint8Array(0), 0x10, 2));
    driver.channel.send(vfioUserMessage(99, new Uint8Array(0), 0, 3));
    const { data } = await driver.channel.receive();
    expect(decode(VFIO_USER_HEADER, data)).toEqual({
      id: 3,
      command: 99,
      size: 16,
      flags: 0x21,
      error: ENOSYS,
    });
  });

  it('goes on for the next driver after one was cut off', async () => {
    await driver.version();
    driver.channel.send(u32s(0, 0, 0, 0));
    await until('it is closed', () => driver.channel.closedBecause !== null);
    const next = connect();
    expect((await next.version()).error).toBe(0);
    next.close();
  });
});

describe('information', () => {
  it('describes a PCI device that can be reset', async () => {
    await driver.version();
    const { payload } = await driver.request(VFIO_USER.DEVICE_GET_INFO, u32s(16, 0, 0, 0));
    expect(decode(VFIO_DEVICE_INFO, payload)).toEqual({ argsz: 16, flags: 3, num_regions: 9, num_irqs: 5 });
  });

  it('tells the size of every region', async () => {
    await driver.version();
    const sizes = [];
    for (let index = 0; index < 9; index++) {
      sizes.push(Number(decode(VFIO_REGION_INFO, (await driver.regionInfo(index)).payload).size));
    }
    expect(sizes).toEqual([0x4000, 0x4000, 0, 0, 0, 0, 0, 256, 0]);
  });

  it('has MSI-X vectors and no other interrupt', async () => {
    await driver.version();
    const counts = [];
    for (let index = 0; index < 5; index++) {
      const { payload } = await driver.request(VFIO_USER.DEVICE_GET_IRQ_INFO, u32s(16, 0, index, 0));
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
  ['a descriptor where none belongs', EINVAL, VFIO_USER.DEVICE_RESET, () => [undefined, [driver.memory]]],
  ['an empty DMA range', EINVAL, VFIO_USER.DMA_MAP, () => [dmaMap(0n, 0n)]],
  ['a DMA range that wraps', EINVAL, VFIO_USER.DMA_MAP, () => [dmaMap(2n ** 64n - 4096n, 8192n)]],
  ['a DMA range beyond its file', EINVAL, VFIO_USER.DMA_MAP, () => [dmaMap(0n, SIZE + 1n), [driver.memory]]],
  [
    'a DMA offset that overflows',
    EINVAL,
    VFIO_USER.DMA_MAP,
    () => [dmaMap(0n, 4096n, 2n ** 64n - 1n), [driver.memory]],
  ],
  [
    'two descriptors for one DMA range',
    EINVAL,
    VFIO_USER.DMA_MAP,
    () => [dmaMap(0n, 4096n), [driver.memory, driver.memory]],
  ],
  [
    'a DMA descriptor that is no file',
    EINVAL,
    VFIO_USER.DMA_MAP,
    () => [dmaMap(0n, 4096n), [driver.interrupts[0] as number]],
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
  ['a cut write', EINVAL, VFIO_USER.REGION_WRITE, () => [join(access(7, 4n, 4), new Uint8Array(3))]],
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
    () => [irqs(0x24, 0, 2), [driver.interrupts[0] as number]],
  ],
  [
    'a vector whose descriptor is no eventfd',
    EINVAL,
    VFIO_USER.DEVICE_SET_IRQS,
    () => [irqs(0x24, 0, 1), [driver.memory]],
  ],
  [
    'eventfds without their flag',
    EINVAL,
    VFIO_USER.DEVICE_SET_IRQS,
    () => [irqs(0x21, 0, 1), [driver.interrupts[0] as number]],
  ],
  [
    '9 descriptors',
    EINVAL,
    VFIO_USER.DEVICE_SET_IRQS,
    () => [irqs(0x24, 0, 4), new Array<number>(9).fill(driver.memory)],
  ],
];

describe('refusals', () => {
  beforeEach(async () => {
    await driver.version();
    await driver.mapDma();
    await driver.setVectors(0, 4);
  });

  it.each(REFUSED)('refuses %s with error %i', async (_, error, command, make) => {
    const fds = openFds();
    expect(await driver.errorOf(command, ...make())).toBe(error);
    expect(openFds()).toBe(fds);
    expect(await driver.errorOf(VFIO_USER.DEVICE_RESET)).toBe(0);
  });

  it('leaks nothing in a storm of them', async () => {
    const fds = openFds();
    for (let i = 0; i < 3000; i++) {
      const [, error, command, make] = REFUSED[i % REFUSED.length] as (typeof REFUSED)[number];
      expect(await driver.errorOf(command, ...make())).toBe(error);
    }
    expect(openFds()).toBe(fds);
  });
});

describe('DMA', () => {
  beforeEach(async () => {
    await driver.version();
  });

  it('accepts maps without descriptor, and unmaps one or all', async () => {
    expect(await driver.errorOf(VFIO_USER.DMA_MAP, dmaMap(0n, 4096n))).toBe(0);
    expect(await driver.mapDma()).toBe(0);
    expect(target.dma.maps).toHaveLength(2);
    const { error, payload } = await driver.request(VFIO_USER.DMA_UNMAP, dmaUnmap(0n, 4096n));
    expect([error, payload.byteLength]).toEqual([0, 24]);
    expect(await driver.errorOf(VFIO_USER.DMA_UNMAP, dmaUnmap(0n, 0n, 2))).toBe(0);
    expect(target.dma.maps).toHaveLength(0);
  });

  it(`keeps at most ${MAX_DMA_MAPS} maps`, async () => {
    for (let i = 0; i < MAX_DMA_MAPS; i++) {
      expect(await driver.errorOf(VFIO_USER.DMA_MAP, dmaMap(BigInt(i) * 4096n, 4096n))).toBe(0);
    }
    expect(await driver.errorOf(VFIO_USER.DMA_MAP, dmaMap(2n ** 40n, 4096n))).toBe(ENOSPC);
  });
});

describe('interrupts', () => {
  const drain = (vector: number) => native.eventfdDrain(driver.interrupts[vector] as number);

  beforeEach(async () => {
    await driver.version();
    await driver.setVectors(0, 4);
  });

  it('loops a trigger back', async () => {
    expect(await driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x21, 1, 2))).toBe(0);
    expect([0, 1, 2, 3].map(drain)).toEqual([0n, 1n, 1n, 0n]);
    await driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x22, 0, 3, 2, Uint8Array.of(1, 0, 1)));
    expect([0, 1, 2, 3].map(drain)).toEqual([1n, 0n, 1n, 0n]);
  });

  it('takes eventfds away, some or all', async () => {
    expect(await driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x24, 0, 1))).toBe(0);
    target.irqs.raise(0);
    target.irqs.raise(1);
    expect([drain(0), drain(1)]).toEqual([0n, 1n]);
    expect(await driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x21, 0, 0))).toBe(0);
    target.irqs.raise(1);
    expect(drain(1)).toBe(0n);
  });

  it('regression: signals an eventfd that takes the place of another, once', async () => {
    const old = driver.interrupts[1] as number;
    driver.interrupts[1] = native.eventfd();
    target.irqs.raise(1);
    await driver.setVectors(1, 1);
    expect(drain(1)).toBe(1n);
    expect(drain(1)).toBe(0n);
    native.close(old);
  });

  it('regression: makes up for an interrupt that came while the vector had no eventfd', async () => {
    expect(await driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, irqs(0x24, 0, 2))).toBe(0);
    target.irqs.raise(1);
    await driver.setVectors(0, 2);
    expect([0, 1, 2].map(drain)).toEqual([0n, 1n, 0n]);
  });
});

describe('regions', () => {
  beforeEach(async () => {
    await driver.version();
  });

  it('keeps the MSI-X table and reads no pending bits', async () => {
    expect(await driver.write(1, 0x1ffe, Uint8Array.of(1, 2, 3, 4))).toBe(0);
    expect([...(await driver.read(1, 0x1ffe, 4))]).toEqual([1, 2, 0, 0]);
  });

  it('forgets what a driver left behind', async () => {
    await driver.write(1, 0, Uint8Array.of(9));
    await driver.mapDma();
    driver.close();
    await until('it left', () => lines.some((line) => line.startsWith('driver left')));
    expect(target.dma.maps).toHaveLength(0);
    driver = connect();
    await driver.version();
    expect([...(await driver.read(1, 0, 1))]).toEqual([0]);
  });

  it('reaches registers through the configuration space window', async () => {
    const window = (bar: number, offset: number, length: number) =>
      driver.write(7, 0x94, join(u32s(bar), u32s(offset, length)));
    await window(0, 0x12, 2);
    expect([...(await driver.read(7, 0xa0, 2))]).toEqual([3, 0]);
    await window(0, 0x14, 1);
    await driver.write(7, 0xa0, Uint8Array.of(1));
    expect(await driver.common('device_status')).toBe(1);
    await window(2, 0, 4);
    expect((await driver.read(7, 0xa0, 4)).length).toBe(4);
  });
});

describe('a reply to a client that is turned away', () => {
  it('bounds how many wait', async () => {
    await driver.version();
    const others = Array.from({ length: 12 }, () => connect());
    await until(
      'some were cut off',
      () => others.filter(({ channel }) => channel.closedBecause !== null).length >= 4,
    );
    expect((await (others[0] as TestDriver).version()).error).toBe(16);
    for (const other of others) other.close();
  });
});
