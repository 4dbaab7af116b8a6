// SPDX-License-Identifier: BSD-3-Clause
// Rings are taken back from a driver by QUEUE_STOP, and assigned again.
import { describe, expect, it } from 'vitest';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { until } from '../../../test/support/wait.ts';
import { u32s, u64s } from '../test-help/channel.test-help.ts';
import { DRIVER_NET, REMAP, SESSION } from '../test-help/driver.test-help.ts';
import { GPA, ringOffsets } from '../test-help/peer.test-help.ts';
import {
  answerStop,
  kind,
  QUEUES,
  record,
  stageForEachTest,
  stopOf,
  stopped,
} from '../test-help/stage.test-help.ts';

const stage = stageForEachTest();

describe('stopping rings', () => {
  it('answers GET_VRING_BASE with what the driver reports', async () => {
    const { peer, driver } = await stage.linked();
    const base = peer.vringBase(1);
    expect(await answerStop(driver, 4711)).toBe(1);
    expect(await base).toBe(4711);
    await driver.untilLink(false);
    const [queues] = await driver.messages(1);
    expect(record(queues as Uint8Array, 1).vring_enable).toBe(0);
    expect(record(queues as Uint8Array, 0).vring_enable).toBe(1);
  });

  it('restarts a stopped ring at the index that the peer sets', async () => {
    const { peer, driver } = await stage.linked();
    const base = peer.vringBase(0);
    await answerStop(driver, 12);
    await base;
    await driver.messages(1);
    await peer.startRing(0, 12, 512);
    const [queues] = await driver.messages(1);
    expect(record(queues as Uint8Array, 0)).toMatchObject({
      last_avail_idx: 12,
      vring_enable: 1,
      vring_num: 512,
    });
    await driver.untilLink(true);
  });

  it('lets one ring be reset, resized and moved while the others go on', async () => {
    stage.make({ queuePairs: 2 });
    const peer = stage.newPeer();
    await peer.negotiate();
    await peer.sendMemory();
    for (const ring of [0, 1, 2, 3]) await peer.startRing(ring);
    for (const ring of [0, 1, 2, 3]) await peer.enable(ring);
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 2);
    const before = (await driver.messages(3))[2] as Uint8Array;
    await driver.untilLink(true);
    const base = peer.vringBase(2);
    const [stop] = await driver.messages(1);
    const { index, token } = stopOf(stop as Uint8Array);
    await driver.send(stopped(index, 40, token), 2);
    expect([index, await base]).toEqual([2, 40]);
    const [gone] = await driver.messages(1);
    expect(record(gone as Uint8Array, 2).vring_enable).toBe(0);
    // SET_VRING_ENABLE is not sent again: the ring comes back with its kick descriptor.
    await peer.startRing(2, 0, 64, 6);
    const [back] = await driver.messages(1);
    expect(record(back as Uint8Array, 2)).toMatchObject({
      last_avail_idx: 0,
      vring_enable: 1,
      vring_num: 64,
      desc_gpa: GPA + BigInt(ringOffsets(6).desc),
    });
    for (const ring of [0, 1, 3]) {
      expect(record(gone as Uint8Array, ring)).toEqual(record(before, ring));
      expect(record(back as Uint8Array, ring)).toEqual(record(before, ring));
    }
    expect(await driver.linkUp()).toBe(true);
    expect(stage.logged('link down')).toBe(0);
  });

  it('takes a disabled ring back in order and assigns it again where the driver left it', async () => {
    const { peer, driver } = await stage.linked();
    const off = peer.enable(1, 0);
    await answerStop(driver, 300);
    await off;
    expect((await driver.messages(1)).map(kind)).toEqual([QUEUES]);
    await peer.enable(1, 1);
    const [queues] = await driver.messages(1);
    expect(record(queues as Uint8Array, 1)).toMatchObject({ last_avail_idx: 300, vring_enable: 1 });
    expect(record(queues as Uint8Array, 0)).toMatchObject({ last_avail_idx: 0, vring_enable: 1 });
  });

  it('fails a driver that does not answer, and answers the peer from the used ring', async () => {
    const { peer, driver } = await stage.linked();
    peer.setUsedIndex(1, 55);
    expect(await peer.vringBase(1)).toBe(55);
    expect(Number(await driver.common('device_status')) & 64).toBe(64);
    expect(await driver.linkUp()).toBe(false);
    expect(stage.logged('did not stop queue 1')).toBe(1);
  });

  it('takes a failed driver back after a reset', async () => {
    const { peer, driver } = await stage.linked();
    await peer.vringBase(1);
    await driver.setCommon('device_status', 0);
    expect(await driver.common('device_status')).toBe(0);
    await peer.startRing(1);
    await driver.request(VFIO_USER.DMA_UNMAP, new Uint8Array([...u32s(24, 2), ...u64s(0n, 0n)]));
    await driver.restart(DRIVER_NET | SESSION | REMAP);
    await driver.messages(3);
    await driver.untilLink(true);
  });

  it('ignores an answer that comes too late', async () => {
    const { driver } = await stage.linked();
    await driver.send(stopped(0, 1, 99));
    expect(await driver.linkUp()).toBe(true);
    expect(Number(await driver.common('device_status')) & 64).toBe(0);
  });

  it.each([
    ['another message', () => Uint8Array.of(2, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['a truncated message', () => Uint8Array.of(2, 2, 12, 0)],
    ['a wrong size', () => Uint8Array.of(2, 2, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['an empty message', () => new Uint8Array(0)],
  ])('fails a driver that sends %s', async (_, message) => {
    const { driver } = await stage.linked();
    await driver.send(message());
    expect(Number(await driver.common('device_status')) & 64).toBe(64);
    expect(stage.logged('driver failed')).toBe(1);
  });

  it('answers a peer whose driver vanishes while it is asked to stop', async () => {
    const { peer, driver } = await stage.linked();
    const base = peer.vringBase(1);
    await driver.messages(1);
    driver.channel.close();
    peer.setUsedIndex(1, 9);
    expect(await base).toBe(9);
  });

  it('gives a new driver the session from the used ring', async () => {
    const { peer, driver } = await stage.linked();
    driver.channel.close();
    await until('it left', () => stage.logged('driver disconnected') === 1);
    peer.setUsedIndex(0, 40);
    const next = stage.newDriver();
    await next.start();
    const queues = (await next.messages(3))[2] as Uint8Array;
    expect(record(queues, 0).last_avail_idx).toBe(40);
    expect(record(queues, 1).last_avail_idx).toBe(0);
  });
});
