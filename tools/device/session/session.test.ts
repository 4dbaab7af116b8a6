// SPDX-License-Identifier: BSD-3-Clause
// What a driver is sent when it meets a peer, and when the two do not match.
import { describe, expect, it } from 'vitest';
import { decode } from '../../../src/abi/layout.ts';
import { VFIO_REGION_INFO } from '../../../src/abi/vfio-user.ts';
import {
  VHOST_PCI_REMOTE_MEM_PACKED_ENTRY,
  VHOST_PCI_REMOTE_MEM_PLACED_ENTRY,
} from '../../../src/abi/vhost-pci.ts';
import { VHOST_USER_F_PROTOCOL_FEATURES } from '../../../src/abi/vhost-user.ts';
import { native } from '../../../src/native.ts';
import { features } from '../../../src/virtio/features.ts';
import { until } from '../../../test/support/wait.ts';
import { closeAll } from '../../socket/fds.ts';
import { DRIVER_NET, REMAP, SESSION } from '../test-help/driver.test-help.ts';
import { GPA, MEMORY_BYTES, NET_AND_PROTOCOL, ringOffsets } from '../test-help/peer.test-help.ts';
import {
  FEATURES,
  kind,
  PACKED,
  PLACED,
  QUEUES,
  record,
  stageForEachTest,
  viewOf,
} from '../test-help/stage.test-help.ts';

const stage = stageForEachTest();

describe('session', () => {
  it('sends a driver features, memory and queues, then raises the link', async () => {
    stage.make();
    const peer = stage.newPeer();
    await peer.start();
    const driver = stage.newDriver();
    await driver.start();
    const [negotiated, memory, queues] = await driver.messages(3);
    expect([negotiated, memory, queues].map((message) => kind(message as Uint8Array))).toEqual([
      FEATURES,
      PLACED,
      QUEUES,
    ]);
    expect(viewOf(negotiated as Uint8Array).getBigUint64(4, true)).toBe(
      NET_AND_PROTOCOL & ~features(VHOST_USER_F_PROTOCOL_FEATURES),
    );
    expect(decode(VHOST_PCI_REMOTE_MEM_PLACED_ENTRY, viewOf(memory as Uint8Array), 4)).toMatchObject({
      gpa: GPA,
      size: BigInt(MEMORY_BYTES),
      offset: 0n,
      bar: 2,
    });
    const { desc, avail, used } = ringOffsets(1);
    expect(record(queues as Uint8Array, 1)).toEqual({
      last_avail_idx: 0,
      serial: 2,
      vring_enable: 1,
      vring_num: 256,
      desc_gpa: GPA + BigInt(desc),
      avail_gpa: GPA + BigInt(avail),
      used_gpa: GPA + BigInt(used),
    });
    await driver.untilLink(true);
    expect(native.eventfdDrain(driver.interrupts[1] as number)).toBeGreaterThan(0n);
    expect(native.eventfdDrain(driver.interrupts[0] as number)).toBeGreaterThan(0n);
  });

  it('does the same when the driver comes first', async () => {
    stage.make();
    const driver = stage.newDriver();
    await driver.start();
    expect(await driver.linkUp()).toBe(false);
    const peer = stage.newPeer();
    await peer.start();
    expect((await driver.messages(3)).map(kind)).toEqual([FEATURES, PLACED, QUEUES]);
    await driver.untilLink(true);
  });

  it("shows the peer's memory as BAR 2", async () => {
    const { peer, driver } = await stage.linked();
    const small = await driver.regionInfo(2, 32);
    expect(small.fds).toEqual([]);
    expect(small.payload.byteLength).toBe(32);
    // QEMU requires it within [32, argsz] in the short reply too.
    expect(decode(VFIO_REGION_INFO, small.payload)).toMatchObject({ argsz: 64, cap_offset: 32 });
    const { payload, fds } = await driver.regionInfo(2, decode(VFIO_REGION_INFO, small.payload).argsz);
    expect(decode(VFIO_REGION_INFO, payload)).toMatchObject({
      flags: 15,
      size: BigInt(MEMORY_BYTES),
      cap_offset: 32,
    });
    expect(payload.getBigUint64(56, true)).toBe(BigInt(MEMORY_BYTES));
    expect(native.fileInfo(fds[0] as number).inode).toBe(native.fileInfo(peer.memory).inode);
    closeAll(fds);
    await driver.write(2, 0x8_0000, Uint8Array.of(1, 2, 3));
    expect([...(await driver.read(2, 0x8_0000, 4))]).toEqual([1, 2, 3, 0]);
  });

  it('fails a driver whose buffer is too small for a message', async () => {
    stage.make();
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 1, 0);
    await driver.postBuffer(0, 1, 8);
    await stage.newPeer().start();
    await until('it failed', () => stage.logged('driver failed') === 1);
  });

  it('gives no link to a driver that cannot map again, and says why once', async () => {
    stage.make();
    const peer = stage.newPeer();
    await peer.start();
    const driver = stage.newDriver();
    await driver.version();
    closeAll((await driver.regionInfo(2)).fds);
    await driver.restart(DRIVER_NET | SESSION);
    await driver.messages(3);
    await driver.untilLink(true);
    peer.channel.close();
    await driver.messages(2);
    const next = stage.newPeer();
    await next.start();
    await next.enable(0);
    expect(await driver.linkUp()).toBe(false);
    expect(stage.logged('a different memory file')).toBe(1);
  });
});

describe('a driver without SESSION', () => {
  it('is sent packed memory and queues once, with the index in vring_num', async () => {
    stage.make();
    const peer = stage.newPeer();
    await peer.start();
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET);
    const [memory, queues] = await driver.messages(2);
    expect([kind(memory as Uint8Array), kind(queues as Uint8Array)]).toEqual([PACKED, QUEUES]);
    expect(decode(VHOST_PCI_REMOTE_MEM_PACKED_ENTRY, viewOf(memory as Uint8Array), 4)).toEqual({
      gpa: GPA,
      size: BigInt(MEMORY_BYTES),
    });
    expect(record(queues as Uint8Array, 1).vring_num).toBe(1);
    await driver.untilLink(true);
    await peer.vringBase(0);
    await driver.untilLink(false);
    expect(driver.collect()).toEqual([]);
  });

  it('gets no link to rings that it would assume to have 256 entries', async () => {
    stage.make();
    const driver = stage.newDriver();
    await driver.start(DRIVER_NET);
    const peer = stage.newPeer();
    await peer.negotiate();
    await peer.sendMemory();
    for (const index of [0, 1]) await peer.startRing(index, 0, 512);
    for (const index of [0, 1]) await peer.enable(index);
    await until('the reason is logged', () => stage.logged('assumes 256') === 1);
    expect(await driver.linkUp()).toBe(false);
  });
});
