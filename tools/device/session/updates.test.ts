// SPDX-License-Identifier: BSD-3-Clause
// What changes at the peer reaches the driver, in order, once, and never as a flood.
import { describe, expect, it } from 'vitest';
import { decode } from '../../../src/abi/layout.ts';
import { VFIO_REGION_INFO } from '../../../src/abi/vfio-user.ts';
import { VHOST_USER, VHOST_USER_F_PROTOCOL_FEATURES } from '../../../src/abi/vhost-user.ts';
import { VIRTIO_NET_F_MRG_RXBUF } from '../../../src/abi/virtio-net.ts';
import { features } from '../../../src/virtio/features.ts';
import { until } from '../../../test/support/wait.ts';
import { u64s } from '../test-help/channel.test-help.ts';
import { DRIVER_NET, REMAP, SESSION } from '../test-help/driver.test-help.ts';
import { HEARS_MTU, NET_AND_PROTOCOL } from '../test-help/peer.test-help.ts';
import {
  ANNOUNCE,
  answerStop,
  FEATURES,
  kind,
  MTU,
  PLACED,
  QUEUES,
  record,
  stageForEachTest,
  stopOf,
  stopped,
  viewOf,
} from '../test-help/stage.test-help.ts';

const stage = stageForEachTest();

describe('updates', () => {
  it("sends the MTU of the peer's network to the driver at once, and to drivers that come later", async () => {
    const { peer, driver } = await stage.linked({}, HEARS_MTU);
    const mtu = (message?: Uint8Array) => [
      kind(message as Uint8Array),
      viewOf(message as Uint8Array).getUint16(4, true),
    ];
    expect(await peer.ack(VHOST_USER.NET_SET_MTU, u64s(9000n))).toBe(0n);
    expect(mtu((await driver.messages(1))[0])).toEqual([MTU, 9000]);
    expect(await peer.ack(VHOST_USER.NET_SET_MTU, u64s(9000n))).toBe(0n);
    expect(await peer.ack(VHOST_USER.NET_SET_MTU, u64s(65_535n))).toBe(0n);
    expect(mtu((await driver.messages(1))[0])).toEqual([MTU, 65_535]);
    driver.channel.close();
    await until('the driver is gone', () => stage.logged('driver disconnected') === 1);
    const next = stage.newDriver();
    await next.start();
    const messages = await next.messages(4);
    expect(messages.map(kind)).toEqual([FEATURES, PLACED, MTU, QUEUES]);
    expect(mtu(messages[2])).toEqual([MTU, 65_535]);
  });

  it('regression: forgets the MTU with the driver of the peer that had negotiated it', async () => {
    const { peer, driver } = await stage.linked({}, HEARS_MTU);
    await peer.ack(VHOST_USER.NET_SET_MTU, u64s(9000n));
    await driver.messages(1);
    for (const ring of [0, 1]) {
      const base = peer.vringBase(ring);
      await answerStop(driver, 0);
      await base;
      await driver.messages(1);
    }
    await peer.sendMemory();
    expect((await driver.messages(2)).map(kind)).toEqual([FEATURES, PLACED]);
    await peer.ack(VHOST_USER.SET_FEATURES, u64s(NET_AND_PROTOCOL));
    const messages = await driver.messages(2);
    expect(messages.map(kind)).toEqual([FEATURES, MTU]);
    expect(viewOf(messages[1] as Uint8Array).getUint16(4, true)).toBe(0);
    // QEMU sends the MTU before the features.
    await peer.ack(VHOST_USER.NET_SET_MTU, u64s(8000n));
    await peer.ack(VHOST_USER.SET_FEATURES, u64s(HEARS_MTU));
    const [, again] = await driver.messages(2);
    expect(viewOf(again as Uint8Array).getUint16(4, true)).toBe(8000);
  });

  it('sends an address to announce once, to the current or the next driver', async () => {
    stage.make();
    const peer = stage.newPeer();
    await peer.start();
    const mac = 0x5634_1200_5452n;
    expect(await peer.ack(VHOST_USER.SEND_RARP, u64s((0xffffn << 48n) | mac))).toBe(0n);
    const driver = stage.newDriver();
    await driver.start();
    const messages = await driver.messages(4);
    expect(messages.map(kind)).toEqual([FEATURES, PLACED, QUEUES, ANNOUNCE]);
    expect([...(messages[3] as Uint8Array).subarray(4)]).toEqual([0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0]);
    await peer.enable(1, 1);
    expect(driver.collect()).toEqual([]);
    expect(await peer.ack(VHOST_USER.SEND_RARP, u64s(mac))).toBe(0n);
    expect((await driver.messages(1)).map(kind)).toEqual([ANNOUNCE]);
  });

  it('regression: a peer that keeps changing its MTU and address does not fail a busy driver', async () => {
    const { peer, driver } = await stage.linked({}, HEARS_MTU);
    for (let i = 0; i < 400; i++) {
      peer.post(VHOST_USER.NET_SET_MTU, u64s(BigInt(1700 + i)));
      await peer.ack(VHOST_USER.SEND_RARP, u64s(BigInt(2 + 256 * i)));
    }
    expect(await peer.ack(VHOST_USER.SEND_RARP, u64s(0x2000_0002n))).toBe(0n);
    expect(stage.logged('driver failed')).toBe(0);
    const messages: Uint8Array[] = [];
    while (messages.length === 0 || !(await driver.linkUp())) {
      messages.push(...driver.collect());
      await driver.notify(2);
    }
    messages.push(...driver.collect());
    const [mtu, announced] = [MTU, ANNOUNCE].map((wanted) => messages.findLast((m) => kind(m) === wanted));
    expect(viewOf(mtu as Uint8Array).getUint16(4, true)).toBe(2099);
    expect([...(announced as Uint8Array).subarray(4, 10)]).toEqual([2, 0, 0, 0x20, 0, 0]);
  });

  it('regression: nor does one that keeps negotiating while its rings rest', async () => {
    const { peer, driver } = await stage.linked();
    for (const ring of [0, 1]) {
      const base = peer.vringBase(ring);
      await answerStop(driver, 0);
      await base;
      await driver.messages(1);
    }
    const sets = [NET_AND_PROTOCOL & ~features(VIRTIO_NET_F_MRG_RXBUF), NET_AND_PROTOCOL];
    for (let i = 0; i < 701; i++) await peer.ack(VHOST_USER.SET_FEATURES, u64s(sets[i % 2] as bigint));
    expect(stage.logged('driver failed')).toBe(0);
    for (const ring of [0, 1]) await peer.startRing(ring);
    const messages: Uint8Array[] = [];
    while (!(await driver.linkUp())) {
      messages.push(...driver.collect());
      await driver.notify(2);
    }
    messages.push(...driver.collect());
    const sent = messages.findLast((m) => kind(m) === FEATURES) as Uint8Array;
    expect(viewOf(sent).getBigUint64(4, true)).toBe(
      (sets[0] as bigint) & ~features(VHOST_USER_F_PROTOCOL_FEATURES),
    );
  });

  it('informs a driver that was busy meanwhile that the peer is a new one', async () => {
    stage.make();
    const peer = stage.newPeer();
    await peer.start(HEARS_MTU);
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 1, 3);
    await driver.untilLink(true);
    await peer.ack(VHOST_USER.NET_SET_MTU, u64s(9000n));
    peer.channel.close();
    await until('it is gone', () => stage.logged('peer disconnected') === 1);
    expect(await driver.linkUp()).toBe(false);
    await stage.newPeer().start();
    const messages: Uint8Array[] = [];
    while (!(await driver.linkUp())) {
      messages.push(...driver.collect());
      await driver.notify(2);
    }
    messages.push(...driver.collect());
    expect(messages.map(kind)).toEqual([
      FEATURES,
      PLACED,
      QUEUES,
      MTU,
      QUEUES,
      PLACED,
      FEATURES,
      PLACED,
      QUEUES,
    ]);
    expect(messages[5]).toHaveLength(4);
  });

  it.each<[string, () => [number, Uint8Array]]>([
    ['an MTU', () => [VHOST_USER.NET_SET_MTU, u64s(9000n)]],
    ['an announcement', () => [VHOST_USER.SEND_RARP, u64s(2n)]],
  ])('regression: outlives a driver whose buffer is too small for %s', async (_, request) => {
    stage.make();
    const peer = stage.newPeer();
    await peer.start(HEARS_MTU);
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 1, 3);
    await driver.untilLink(true);
    await driver.postBuffer(3, 1, 4);
    expect(await peer.ack(...request())).toBe(0n);
    expect(stage.logged('driver failed')).toBe(1);
    expect(stage.logged('peer disconnected')).toBe(0);
    driver.channel.close();
    await until('the driver is gone', () => stage.logged('driver disconnected') === 1);
    const next = stage.newDriver();
    await next.start();
    await next.untilLink(true);
  });

  it('raises the link only when the driver has taken all messages that belong to it', async () => {
    stage.make();
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 1, 2);
    await stage.newPeer().start();
    await until('two messages came', () => driver.collect(false).length > 0);
    expect(await driver.linkUp()).toBe(false);
    await driver.postBuffer(5);
    await driver.untilLink(true);
  });

  it('informs the driver when the peer leaves, and about the next one with another file', async () => {
    const { peer, driver } = await stage.linked();
    peer.channel.close();
    await driver.untilLink(false);
    const [queues, memory] = await driver.messages(2);
    expect([kind(queues as Uint8Array), kind(memory as Uint8Array)]).toEqual([QUEUES, PLACED]);
    expect(record(queues as Uint8Array, 0).vring_enable).toBe(0);
    expect(memory).toHaveLength(4);
    expect(decode(VFIO_REGION_INFO, (await driver.regionInfo(2)).payload).size).toBe(0n);
    await stage.newPeer().start();
    expect((await driver.messages(3)).map(kind)).toEqual([FEATURES, PLACED, QUEUES]);
    await driver.untilLink(true);
  });

  it('sends a memory change in order: queues withdrawn, memory, queues', async () => {
    const { peer, driver } = await stage.linked();
    peer.newMemory();
    const change = peer.sendMemory();
    const stops = await driver.messages(2);
    for (const message of stops) await driver.send(stopped(stopOf(message).index, 3, stopOf(message).token));
    expect(await change).toBe(0n);
    const messages = await driver.messages(4);
    expect(messages.map(kind)).toEqual([QUEUES, FEATURES, PLACED, QUEUES]);
    expect(record(messages[3] as Uint8Array, 1)).toMatchObject({ vring_enable: 1, last_avail_idx: 3 });
  });
});
