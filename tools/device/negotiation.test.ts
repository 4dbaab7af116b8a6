// SPDX-License-Identifier: BSD-3-Clause
// Features across the device: what each side is offered depends on the other.
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VHOST_USER, VHOST_USER_F_PROTOCOL_FEATURES } from '../../src/abi/vhost-user.ts';
import { VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU } from '../../src/abi/virtio-net.ts';
import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '../../src/abi/virtio-ring.ts';
import { features } from '../../src/virtio/features.ts';
import { until } from '../../test/support/wait.ts';
import { u32s, u64s } from './test-help/channel.test-help.ts';
import { DRIVER_NET, GATE, LINK_REASON, REMAP, SESSION } from './test-help/driver.test-help.ts';
import { FEATURES, kind, PACKED, QUEUES, stageForEachTest, viewOf } from './test-help/stage.test-help.ts';

const stage = stageForEachTest();

describe('features', () => {
  it('offers the driver the net features and the extensions', async () => {
    stage.make({ features: features(VIRTIO_NET_F_MRG_RXBUF) });
    const driver = stage.newDriver();
    await driver.version();
    expect(await driver.offeredFeatures()).toBe(
      features(VIRTIO_F_VERSION_1, VIRTIO_NET_F_MRG_RXBUF) | SESSION | REMAP | GATE | LINK_REASON,
    );
  });

  it('drops a peer that negotiated what the driver does not know, and offers the next one less', async () => {
    stage.make();
    const peer = stage.newPeer();
    await peer.start();
    const driver = stage.newDriver();
    await driver.start(features(VIRTIO_F_VERSION_1) | SESSION | REMAP);
    await until('the peer was dropped', () => peer.channel.closedBecause !== null);
    const next = stage.newPeer();
    const offered = (await next.ask(VHOST_USER.GET_FEATURES)).getBigUint64(0, true);
    expect(offered).toBe(features(VIRTIO_F_VERSION_1, VHOST_USER_F_PROTOCOL_FEATURES, VIRTIO_NET_F_MTU));
  });

  it('refuses a driver without VERSION_1 or with a feature that was not offered', async () => {
    stage.make();
    const driver = stage.newDriver();
    await driver.version();
    expect(await driver.acceptFeatures(features(VIRTIO_NET_F_MRG_RXBUF))).toBe(false);
    await driver.setCommon('device_status', 0);
    expect(await driver.acceptFeatures(features(VIRTIO_F_VERSION_1, VIRTIO_F_ACCESS_PLATFORM))).toBe(false);
  });

  it('offers multiqueue to the peer only when there are several pairs', async () => {
    stage.make({ queuePairs: 3 });
    const peer = stage.newPeer();
    expect(
      (await peer.ask(VHOST_USER.GET_FEATURES)).getBigUint64(0, true) & features(VIRTIO_NET_F_MQ),
    ).not.toBe(0n);
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 3);
    expect([...(await driver.read(0, 0x2000, 4))]).toEqual([3, 0, 0, 0]);
    expect(await driver.common('num_queues')).toBe(7);
  });

  it('does not offer RING_RESET, which QEMU offers to its guest but does not forward', async () => {
    stage.make();
    const peer = stage.newPeer();
    peer.post(VHOST_USER.SET_OWNER);
    const offered = (await peer.ask(VHOST_USER.GET_FEATURES)).getBigUint64(0, true);
    expect(offered & features(VIRTIO_F_RING_RESET)).toBe(0n);
    expect(offered & features(VHOST_USER_F_PROTOCOL_FEATURES)).not.toBe(0n);
  });
});

describe('a legacy peer', () => {
  const PROTOCOL = features(VHOST_USER_F_PROTOCOL_FEATURES);
  const start = async (negotiated: bigint) => {
    const peer = stage.newPeer();
    await peer.negotiate(negotiated);
    await peer.sendMemory();
    for (const index of [0, 1]) await peer.startRing(index);
    for (const index of [0, 1]) await peer.enable(index);
    return peer;
  };

  it.each([
    ['with nothing but split rings', 0n],
    ['with mergeable buffers', features(VIRTIO_NET_F_MRG_RXBUF)],
  ])('%s gets a link, and the driver learns that VERSION_1 is missing', async (_, driverFeatures) => {
    stage.make();
    await start(driverFeatures | PROTOCOL);
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP);
    const [message] = await driver.messages(3);
    expect(kind(message as Uint8Array)).toBe(FEATURES);
    expect(viewOf(message as Uint8Array).getBigUint64(4, true)).toBe(driverFeatures);
    await driver.untilLink(true);
  });

  it('gets no link to a driver without SESSION, and the log says why', async () => {
    stage.make();
    await start(PROTOCOL);
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET);
    await until('the reason is logged', () => stage.logged('no link: the peer is a legacy driver') === 1);
    expect(await driver.linkUp()).toBe(false);
  });

  it('gets no driver with --reference, and the log says why', async () => {
    stage.make({ reference: true });
    await start(PROTOCOL);
    expect(stage.logged('needs a device without --reference')).toBe(1);
    expect(existsSync(stage.vfioUser)).toBe(false);
  });

  it.each([
    [
      'packed rings without VERSION_1',
      VHOST_USER.SET_FEATURES,
      u64s(features(VIRTIO_F_RING_PACKED) | PROTOCOL),
    ],
    ['big-endian rings', VHOST_USER.SET_VRING_ENDIAN, u32s(0, 1)],
  ])('is refused %s', async (_, request, payload) => {
    stage.make();
    const peer = stage.newPeer();
    await peer.negotiate();
    expect(await peer.ack(request, payload)).toBe(1n);
  });
});

describe('--reference', () => {
  it('listens for drivers while its peer is ready, and offers what the peer negotiated', async () => {
    stage.make({ reference: true });
    expect(existsSync(stage.vfioUser)).toBe(false);
    const peer = stage.newPeer();
    await peer.start();
    await until('it listens', () => existsSync(stage.vfioUser));
    const driver = stage.newDriver();
    await driver.version();
    expect(await driver.offeredFeatures()).toBe(features(VIRTIO_F_VERSION_1, VIRTIO_NET_F_MRG_RXBUF));
    await driver.restart(features(VIRTIO_F_VERSION_1, VIRTIO_NET_F_MRG_RXBUF));
    expect((await driver.messages(2)).map(kind)).toEqual([PACKED, QUEUES]);
    peer.channel.close();
    await until('the driver is cut off', () => driver.channel.closedBecause !== null);
    expect(existsSync(stage.vfioUser)).toBe(false);
  });
});
