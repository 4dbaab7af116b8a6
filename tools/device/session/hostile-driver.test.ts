// SPDX-License-Identifier: BSD-3-Clause
// Drivers with machines of any size, and drivers that break the rules of the control queue.
import { ftruncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { native } from '../../../src/native.ts';
import { plainMemory } from '../../../test/support/plain-memory.ts';
import { u32s, u64s } from '../test-help/channel.test-help.ts';
import {
  DMA_BYTES,
  DRIVER_NET,
  IOVA,
  type Machine,
  SESSION,
  TestDriver,
} from '../test-help/driver.test-help.ts';
import {
  answerStop,
  FEATURES,
  kind,
  PLACED,
  QUEUES,
  record,
  stageForEachTest,
} from '../test-help/stage.test-help.ts';

const stage = stageForEachTest();

const GIB = 1n << 30n;

describe("a driver's machine", () => {
  const one = (bytes: bigint): Machine => ({
    offset: Number(bytes) - DMA_BYTES,
    iova: bytes - BigInt(DMA_BYTES),
    maps: [{ iova: 0n, size: bytes, offset: 0n }],
  });
  const below = 3n * GIB - 0x8000n;
  const across: Machine = {
    offset: Number(below),
    iova: below,
    maps: [
      { iova: 0n, size: 3n * GIB, offset: 0n },
      { iova: 3n * GIB, size: 3n * GIB, offset: 3n * GIB },
    ],
  };

  it.each<[string, bigint, Machine]>([
    ['6 GiB in one DMA range', 6n * GIB, one(6n * GIB)],
    ['6 GiB in two that touch, ring and buffers on either side of the seam', 6n * GIB, across],
    ['2^48 bytes', 1n << 48n, one(1n << 48n)],
  ])('regression: F1: may have %s', async (_, bytes, machine) => {
    stage.make();
    const peer = stage.newPeer();
    await peer.start();
    const driver = stage.newDriver(native.memfdCreate('large', Number(bytes), false), machine);
    await driver.start();
    expect((await driver.messages(3)).map(kind)).toEqual([FEATURES, PLACED, QUEUES]);
    await driver.untilLink(true);
    const base = peer.vringBase(1);
    expect(await answerStop(driver, 7)).toBe(1);
    expect(await base).toBe(7);
  });
});

describe('a hostile driver', () => {
  const failed = async (driver: TestDriver) => {
    expect(Number(await driver.common('device_status')) & 64).toBe(64);
    expect(stage.logged('driver failed')).toBe(1);
    expect(await driver.linkUp()).toBe(false);
  };

  it.each([
    ['a chain that loops', 30, IOVA, 16, 1, 30],
    ['a chain to a descriptor that does not exist', 30, IOVA, 16, 1, 999],
    ['a buffer outside its memory', 30, 0x7000_0000n, 16, 0, 0],
    ['a buffer that wraps', 30, 2n ** 64n - 8n, 16, 0, 0],
    ['a buffer across the end of its memory', 30, IOVA + BigInt(DMA_BYTES) - 8n, 16, 0, 0],
    ['an oversized message', 30, IOVA, 8192, 0, 0],
  ] as const)('is failed for %s', async (_, index, addr, len, flags, next) => {
    const { driver } = await stage.linked();
    await driver.postRaw(index, addr, len, flags, next);
    await failed(driver);
  });

  it('is failed for more entries than the ring has', async () => {
    const { driver } = await stage.linked();
    await driver.claim(100);
    await failed(driver);
  });

  it('regression: is failed, and ends nothing, when it shrinks its memory under the control queue', async () => {
    stage.make();
    const peer = stage.newPeer();
    await peer.start();
    const memory = plainMemory(DMA_BYTES);
    const driver = new TestDriver(native.unixConnect(stage.vfioUser), memory);
    stage.open.push(driver);
    await driver.start();
    await driver.messages(3);
    await driver.untilLink(true);
    ftruncateSync(memory, 0);
    await peer.enable(0, 0);
    await failed(driver);
  });

  it('is failed when it unmaps its control queue', async () => {
    const { driver } = await stage.linked();
    await driver.request(VFIO_USER.DMA_UNMAP, new Uint8Array([...u32s(24, 2), ...u64s(0n, 0n)]));
    await failed(driver);
  });

  it('is failed when its control queue lies outside its memory', async () => {
    stage.make();
    const driver = stage.newDriver();
    await driver.version();
    await driver.acceptFeatures(DRIVER_NET | SESSION);
    await driver.setCommon('queue_select', 2);
    for (const name of ['queue_desc', 'queue_driver', 'queue_device'] as const)
      await driver.setCommon(name, 0x1000n);
    await driver.setCommon('queue_enable', 1);
    await driver.setCommon('device_status', 15);
    await failed(driver);
  });

  it('does not harm the peer, whose rings wait for the next driver', async () => {
    const { peer, driver } = await stage.linked();
    await driver.claim(100);
    driver.channel.close();
    peer.setUsedIndex(0, 5);
    const next = stage.newDriver();
    await next.start();
    expect(record((await next.messages(3))[2] as Uint8Array, 0).last_avail_idx).toBe(5);
  });
});
