// SPDX-License-Identifier: BSD-3-Clause
// The whole device model between a peer and a driver, over its two sockets.
import { existsSync, ftruncateSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../src/abi/layout.ts';
import { VFIO_REGION_INFO, VFIO_USER } from '../../src/abi/vfio-user.ts';
import {
  VHOST_PCI_QUEUE_STOP,
  VHOST_PCI_REMOTE_MEM_PACKED_ENTRY,
  VHOST_PCI_REMOTE_MEM_PLACED_ENTRY,
  VHOST_PCI_REMOTE_QUEUE_ENTRY,
} from '../../src/abi/vhost-pci.ts';
import { VHOST_USER } from '../../src/abi/vhost-user.ts';
import { VIRTIO_F_RING_RESET } from '../../src/abi/virtio-ring.ts';
import { native } from '../../src/native.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { plainMemory } from '../../test/support/plain-memory.ts';
import { until } from '../../test/support/wait.ts';
import { closeAll } from '../socket/fds.ts';
import { createDevice, type Device, type DeviceOptions } from './device.ts';
import { u32s, u64s } from './test-help/channel.test-help.ts';
import {
  DMA_BYTES,
  DRIVER_NET,
  GATE,
  IOVA,
  type Machine,
  REMAP,
  SESSION,
  TestDriver,
} from './test-help/driver.test-help.ts';
import { GPA, MEMORY_BYTES, NET_AND_PROTOCOL, ringOffsets, TestPeer } from './test-help/peer.test-help.ts';

let folder: string;
let vhostUser: string;
let vfioUser: string;
let device: Device;
let lines: string[];
let fdsBefore: number;
const open: { close(): void }[] = [];

beforeEach(() => {
  fdsBefore = openFds();
  folder = mkdtempSync(joinPath(tmpdir(), 'vhost-pci-device-'));
  vhostUser = joinPath(folder, 'vhost-user');
  vfioUser = joinPath(folder, 'vfio-user');
  lines = [];
});

afterEach(async () => {
  for (const end of open.splice(0)) end.close();
  device.close();
  await until('no descriptor is left', () => openFds() <= fdsBefore);
  rmSync(folder, { recursive: true });
});

const make = (options: Partial<DeviceOptions> = {}) => {
  device = createDevice({ vhostUser, vfioUser, log: (line) => lines.push(line), ...options });
};
const newPeer = (): TestPeer => {
  const peer = new TestPeer(native.unixConnect(vhostUser));
  open.push(peer);
  return peer;
};
const newDriver = (memory?: number, machine?: Machine): TestDriver => {
  const driver = new TestDriver(native.unixConnect(vfioUser), memory, machine);
  open.push(driver);
  return driver;
};
const logged = (text: string) => lines.filter((line) => line.includes(text)).length;

const kind = (message: Uint8Array) => `${message[0]}.${message[1]}`;
const PLACED = '0.1';
const PACKED = '0.0';
const QUEUES = '1.0';
const FEATURES = '2.0';
const STOP = '2.1';

const viewOf = (message: Uint8Array) => new DataView(message.buffer, message.byteOffset, message.length);
const record = (message: Uint8Array, index: number) =>
  decode(VHOST_PCI_REMOTE_QUEUE_ENTRY, viewOf(message), 4 + index * VHOST_PCI_REMOTE_QUEUE_ENTRY.size);
const stopOf = (message: Uint8Array) => decode(VHOST_PCI_QUEUE_STOP, viewOf(message), 4);
const stopped = (index: number, last: number, token: number) =>
  Uint8Array.of(2, 2, 12, 0, index, 0, last & 0xff, last >> 8, ...u32s(token));

/** VIRTIO_NET_F_MTU. */
const HEARS_MTU = NET_AND_PROTOCOL | (1n << 3n);

/** A peer and a driver with link up; the messages that brought it up are taken. */
async function linked(
  options: Partial<DeviceOptions> = {},
  features = NET_AND_PROTOCOL,
): Promise<{ peer: TestPeer; driver: TestDriver }> {
  make(options);
  const peer = newPeer();
  await peer.start(features);
  const driver = newDriver();
  await driver.start();
  await driver.messages(3);
  await driver.untilLink(true);
  return { peer, driver };
}

/** Takes the next QUEUE_STOP and answers it. */
async function answerStop(driver: TestDriver, last: number): Promise<number> {
  const [message] = await driver.messages(1);
  if (!message || kind(message) !== STOP) throw new Error(`${message && kind(message)} is no QUEUE_STOP`);
  const { index, token } = stopOf(message);
  await driver.send(stopped(index, last, token));
  return index;
}

const LINK_REASON = 1n << 115n;
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
    make();
    const peer = newPeer();
    await peer.start();
    const driver = newDriver(native.memfdCreate('large', Number(bytes), false), machine);
    await driver.start();
    expect((await driver.messages(3)).map(kind)).toEqual([FEATURES, PLACED, QUEUES]);
    await driver.untilLink(true);
    const base = peer.vringBase(1);
    expect(await answerStop(driver, 7)).toBe(1);
    expect(await base).toBe(7);
  });
});

describe('session', () => {
  it('tells a driver features, memory and queues, then raises the link', async () => {
    make();
    const peer = newPeer();
    await peer.start();
    const driver = newDriver();
    await driver.start();
    const [features, memory, queues] = await driver.messages(3);
    expect([features, memory, queues].map((message) => kind(message as Uint8Array))).toEqual([
      FEATURES,
      PLACED,
      QUEUES,
    ]);
    expect(viewOf(features as Uint8Array).getBigUint64(4, true)).toBe(NET_AND_PROTOCOL & ~(1n << 30n));
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
    make();
    const driver = newDriver();
    await driver.start();
    expect(await driver.linkUp()).toBe(false);
    const peer = newPeer();
    await peer.start();
    expect((await driver.messages(3)).map(kind)).toEqual([FEATURES, PLACED, QUEUES]);
    await driver.untilLink(true);
  });

  it("shows the peer's memory as BAR 2", async () => {
    const { peer, driver } = await linked();
    const small = await driver.regionInfo(2, 32);
    expect(small.fds).toEqual([]);
    expect(small.payload.byteLength).toBe(32);
    // QEMU wants it in [32, argsz] in the short answer too.
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

  it('answers GET_VRING_BASE with what the driver says', async () => {
    const { peer, driver } = await linked();
    const base = peer.vringBase(1);
    expect(await answerStop(driver, 4711)).toBe(1);
    expect(await base).toBe(4711);
    await driver.untilLink(false);
    const [queues] = await driver.messages(1);
    expect(record(queues as Uint8Array, 1).vring_enable).toBe(0);
    expect(record(queues as Uint8Array, 0).vring_enable).toBe(1);
  });

  it('starts a stopped ring again at the index that the peer gives', async () => {
    const { peer, driver } = await linked();
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

  it('lets one ring be reset, resized and laid elsewhere while the others go on', async () => {
    make({ queuePairs: 2 });
    const peer = newPeer();
    await peer.negotiate();
    await peer.sendMemory();
    for (const ring of [0, 1, 2, 3]) await peer.startRing(ring);
    for (const ring of [0, 1, 2, 3]) await peer.enable(ring);
    const driver = newDriver();
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
    expect(logged('link down')).toBe(0);
  });

  it("tells the driver the MTU of the peer's network, at once and to whoever comes later", async () => {
    const { peer, driver } = await linked({}, HEARS_MTU);
    const mtu = (message?: Uint8Array) => [
      kind(message as Uint8Array),
      viewOf(message as Uint8Array).getUint16(4, true),
    ];
    expect(await peer.ack(VHOST_USER.NET_SET_MTU, u64s(9000n))).toBe(0n);
    expect(mtu((await driver.messages(1))[0])).toEqual(['2.3', 9000]);
    expect(await peer.ack(VHOST_USER.NET_SET_MTU, u64s(9000n))).toBe(0n);
    expect(await peer.ack(VHOST_USER.NET_SET_MTU, u64s(65_535n))).toBe(0n);
    expect(mtu((await driver.messages(1))[0])).toEqual(['2.3', 65_535]);
    driver.channel.close();
    await until('the driver is gone', () => logged('driver left') === 1);
    const next = newDriver();
    await next.start();
    const messages = await next.messages(4);
    expect(messages.map(kind)).toEqual([FEATURES, PLACED, '2.3', QUEUES]);
    expect(mtu(messages[2])).toEqual(['2.3', 65_535]);
  });

  it('regression: forgets the MTU with the driver of the peer that had asked to hear of it', async () => {
    const { peer, driver } = await linked({}, HEARS_MTU);
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
    expect(messages.map(kind)).toEqual([FEATURES, '2.3']);
    expect(viewOf(messages[1] as Uint8Array).getUint16(4, true)).toBe(0);
    // QEMU tells the MTU before the features.
    await peer.ack(VHOST_USER.NET_SET_MTU, u64s(8000n));
    await peer.ack(VHOST_USER.SET_FEATURES, u64s(HEARS_MTU));
    const [, again] = await driver.messages(2);
    expect(viewOf(again as Uint8Array).getUint16(4, true)).toBe(8000);
  });

  it('hands an address that is to be announced to the driver, or to the next one, once', async () => {
    make();
    const peer = newPeer();
    await peer.start();
    const mac = 0x5634_1200_5452n;
    expect(await peer.ack(VHOST_USER.SEND_RARP, u64s((0xffffn << 48n) | mac))).toBe(0n);
    const driver = newDriver();
    await driver.start();
    const messages = await driver.messages(4);
    expect(messages.map(kind)).toEqual([FEATURES, PLACED, QUEUES, '2.4']);
    expect([...(messages[3] as Uint8Array).subarray(4)]).toEqual([0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0]);
    await peer.enable(1, 1);
    expect(driver.collect()).toEqual([]);
    expect(await peer.ack(VHOST_USER.SEND_RARP, u64s(mac))).toBe(0n);
    expect((await driver.messages(1)).map(kind)).toEqual(['2.4']);
  });

  it('regression: a peer that changes its mind without end does not fail a driver that is busy', async () => {
    const { peer, driver } = await linked({}, HEARS_MTU);
    for (let i = 0; i < 400; i++) {
      peer.post(VHOST_USER.NET_SET_MTU, u64s(BigInt(1700 + i)));
      await peer.ack(VHOST_USER.SEND_RARP, u64s(BigInt(2 + 256 * i)));
    }
    expect(await peer.ack(VHOST_USER.SEND_RARP, u64s(0x2000_0002n))).toBe(0n);
    expect(logged('driver failed')).toBe(0);
    const messages: Uint8Array[] = [];
    while (messages.length === 0 || !(await driver.linkUp())) {
      messages.push(...driver.collect());
      await driver.notify(2);
    }
    messages.push(...driver.collect());
    const [mtu, announced] = ['2.3', '2.4'].map((wanted) => messages.findLast((m) => kind(m) === wanted));
    expect(viewOf(mtu as Uint8Array).getUint16(4, true)).toBe(2099);
    expect([...(announced as Uint8Array).subarray(4, 10)]).toEqual([2, 0, 0, 0x20, 0, 0]);
  });

  it('regression: nor does one that negotiates without end while its rings rest', async () => {
    const { peer, driver } = await linked();
    for (const ring of [0, 1]) {
      const base = peer.vringBase(ring);
      await answerStop(driver, 0);
      await base;
      await driver.messages(1);
    }
    const features = [NET_AND_PROTOCOL & ~(1n << 15n), NET_AND_PROTOCOL];
    for (let i = 0; i < 701; i++) await peer.ack(VHOST_USER.SET_FEATURES, u64s(features[i % 2] as bigint));
    expect(logged('driver failed')).toBe(0);
    for (const ring of [0, 1]) await peer.startRing(ring);
    const messages: Uint8Array[] = [];
    while (!(await driver.linkUp())) {
      messages.push(...driver.collect());
      await driver.notify(2);
    }
    messages.push(...driver.collect());
    const told = messages.findLast((m) => kind(m) === FEATURES) as Uint8Array;
    expect(viewOf(told).getBigUint64(4, true)).toBe((features[0] as bigint) & ~(1n << 30n));
  });

  it('tells a driver that was busy meanwhile that the peer is another one', async () => {
    make();
    const peer = newPeer();
    await peer.start(HEARS_MTU);
    const driver = newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 1, 3);
    await driver.untilLink(true);
    await peer.ack(VHOST_USER.NET_SET_MTU, u64s(9000n));
    peer.channel.close();
    await until('it is gone', () => logged('peer left') === 1);
    expect(await driver.linkUp()).toBe(false);
    await newPeer().start();
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
      '2.3',
      QUEUES,
      PLACED,
      FEATURES,
      PLACED,
      QUEUES,
    ]);
    expect(messages[5]).toHaveLength(4);
  });

  it('does not offer RING_RESET, which QEMU offers its guest and keeps to itself', async () => {
    make();
    const peer = newPeer();
    peer.post(VHOST_USER.SET_OWNER);
    const offered = (await peer.ask(VHOST_USER.GET_FEATURES)).getBigUint64(0, true);
    expect(offered & (1n << BigInt(VIRTIO_F_RING_RESET))).toBe(0n);
    expect(offered & (1n << 30n)).not.toBe(0n);
  });

  it('takes a disabled ring away in good order and gives it back where the driver left it', async () => {
    const { peer, driver } = await linked();
    const off = peer.enable(1, 0);
    await answerStop(driver, 300);
    await off;
    expect((await driver.messages(1)).map(kind)).toEqual([QUEUES]);
    await peer.enable(1, 1);
    const [queues] = await driver.messages(1);
    expect(record(queues as Uint8Array, 1)).toMatchObject({ last_avail_idx: 300, vring_enable: 1 });
    expect(record(queues as Uint8Array, 0)).toMatchObject({ last_avail_idx: 0, vring_enable: 1 });
  });

  it('gives up a driver that does not answer, and answers the peer from the used ring', async () => {
    const { peer, driver } = await linked();
    peer.setUsedIndex(1, 55);
    expect(await peer.vringBase(1)).toBe(55);
    expect(Number(await driver.common('device_status')) & 64).toBe(64);
    expect(await driver.linkUp()).toBe(false);
    expect(logged('did not stop queue 1')).toBe(1);
  });

  it('takes a failed driver back after a reset', async () => {
    const { peer, driver } = await linked();
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
    const { driver } = await linked();
    await driver.send(stopped(0, 1, 99));
    expect(await driver.linkUp()).toBe(true);
    expect(Number(await driver.common('device_status')) & 64).toBe(0);
  });

  it.each([
    ['another message', () => Uint8Array.of(2, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['a cut message', () => Uint8Array.of(2, 2, 12, 0)],
    ['a wrong size', () => Uint8Array.of(2, 2, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['a message without end', () => new Uint8Array(0)],
  ])('fails a driver that sends %s', async (_, message) => {
    const { driver } = await linked();
    await driver.send(message());
    expect(Number(await driver.common('device_status')) & 64).toBe(64);
    expect(logged('driver failed')).toBe(1);
  });

  it('fails a driver whose buffer is too small for a message', async () => {
    make();
    const driver = newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 1, 0);
    await driver.postBuffer(0, 1, 8);
    await newPeer().start();
    await until('it failed', () => logged('driver failed') === 1);
  });

  it.each<[string, () => [number, Uint8Array]]>([
    ['an MTU', () => [VHOST_USER.NET_SET_MTU, u64s(9000n)]],
    ['an announcement', () => [VHOST_USER.SEND_RARP, u64s(2n)]],
  ])('regression: outlives a driver whose buffer is too small for %s', async (_, request) => {
    make();
    const peer = newPeer();
    await peer.start(HEARS_MTU);
    const driver = newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 1, 3);
    await driver.untilLink(true);
    await driver.postBuffer(3, 1, 4);
    expect(await peer.ack(...request())).toBe(0n);
    expect(logged('driver failed')).toBe(1);
    expect(logged('peer left')).toBe(0);
    driver.channel.close();
    await until('the driver is gone', () => logged('driver left') === 1);
    const next = newDriver();
    await next.start();
    await next.untilLink(true);
  });

  it('raises the link only when the driver has what belongs to it', async () => {
    make();
    const driver = newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 1, 2);
    await newPeer().start();
    await until('two messages came', () => driver.collect(false).length > 0);
    expect(await driver.linkUp()).toBe(false);
    await driver.postBuffer(5);
    await driver.untilLink(true);
  });

  it('tells the driver when the peer goes, and greets the next one with another file', async () => {
    const { peer, driver } = await linked();
    peer.channel.close();
    await driver.untilLink(false);
    const [queues, memory] = await driver.messages(2);
    expect([kind(queues as Uint8Array), kind(memory as Uint8Array)]).toEqual([QUEUES, PLACED]);
    expect(record(queues as Uint8Array, 0).vring_enable).toBe(0);
    expect(memory).toHaveLength(4);
    expect(decode(VFIO_REGION_INFO, (await driver.regionInfo(2)).payload).size).toBe(0n);
    await newPeer().start();
    expect((await driver.messages(3)).map(kind)).toEqual([FEATURES, PLACED, QUEUES]);
    await driver.untilLink(true);
  });

  it('gives a new driver the session from the used ring', async () => {
    const { peer, driver } = await linked();
    driver.channel.close();
    await until('it left', () => logged('driver left') === 1);
    peer.setUsedIndex(0, 40);
    const next = newDriver();
    await next.start();
    const queues = (await next.messages(3))[2] as Uint8Array;
    expect(record(queues, 0).last_avail_idx).toBe(40);
    expect(record(queues, 1).last_avail_idx).toBe(0);
  });

  it('answers a peer whose driver vanishes while it is asked to stop', async () => {
    const { peer, driver } = await linked();
    const base = peer.vringBase(1);
    await driver.messages(1);
    driver.channel.close();
    peer.setUsedIndex(1, 9);
    expect(await base).toBe(9);
  });

  it('tells a memory change in order: queues away, memory, queues', async () => {
    const { peer, driver } = await linked();
    peer.newMemory();
    const change = peer.sendMemory();
    const stops = await driver.messages(2);
    for (const message of stops) await driver.send(stopped(stopOf(message).index, 3, stopOf(message).token));
    expect(await change).toBe(0n);
    const messages = await driver.messages(4);
    expect(messages.map(kind)).toEqual([QUEUES, FEATURES, PLACED, QUEUES]);
    expect(record(messages[3] as Uint8Array, 1)).toMatchObject({ vring_enable: 1, last_avail_idx: 3 });
  });

  it('leaves a driver that cannot map again without link, and says why once', async () => {
    make();
    const peer = newPeer();
    await peer.start();
    const driver = newDriver();
    await driver.version();
    closeAll((await driver.regionInfo(2)).fds);
    await driver.restart(DRIVER_NET | SESSION);
    await driver.messages(3);
    await driver.untilLink(true);
    peer.channel.close();
    await driver.messages(2);
    const next = newPeer();
    await next.start();
    await next.enable(0);
    expect(await driver.linkUp()).toBe(false);
    expect(logged('another memory file')).toBe(1);
  });
});

describe('a hostile driver', () => {
  const failed = async (driver: TestDriver) => {
    expect(Number(await driver.common('device_status')) & 64).toBe(64);
    expect(logged('driver failed')).toBe(1);
    expect(await driver.linkUp()).toBe(false);
  };

  it.each([
    ['a chain that loops', 30, IOVA, 16, 1, 30],
    ['a chain to a descriptor that does not exist', 30, IOVA, 16, 1, 999],
    ['a buffer outside its memory', 30, 0x7000_0000n, 16, 0, 0],
    ['a buffer that wraps', 30, 2n ** 64n - 8n, 16, 0, 0],
    ['a buffer across the end of its memory', 30, IOVA + BigInt(DMA_BYTES) - 8n, 16, 0, 0],
    ['a message without end', 30, IOVA, 8192, 0, 0],
  ] as const)('is failed for %s', async (_, index, addr, len, flags, next) => {
    const { driver } = await linked();
    await driver.postRaw(index, addr, len, flags, next);
    await failed(driver);
  });

  it('is failed for more entries than the ring has', async () => {
    const { driver } = await linked();
    await driver.claim(100);
    await failed(driver);
  });

  it('regression: is failed, and ends nothing, when it shrinks its memory under the control queue', async () => {
    make();
    const peer = newPeer();
    await peer.start();
    const memory = plainMemory(DMA_BYTES);
    const driver = new TestDriver(native.unixConnect(vfioUser), memory);
    open.push(driver);
    await driver.start();
    await driver.messages(3);
    await driver.untilLink(true);
    ftruncateSync(memory, 0);
    await peer.enable(0, 0);
    await failed(driver);
  });

  it('is failed when it unmaps its control queue', async () => {
    const { driver } = await linked();
    await driver.request(VFIO_USER.DMA_UNMAP, new Uint8Array([...u32s(24, 2), ...u64s(0n, 0n)]));
    await failed(driver);
  });

  it('is failed when its control queue lies nowhere', async () => {
    make();
    const driver = newDriver();
    await driver.version();
    await driver.acceptFeatures(DRIVER_NET | SESSION);
    await driver.setCommon('queue_select', 2);
    for (const name of ['queue_desc', 'queue_driver', 'queue_device'] as const)
      await driver.setCommon(name, 0x1000n);
    await driver.setCommon('queue_enable', 1);
    await driver.setCommon('device_status', 15);
    await failed(driver);
  });

  it('does not hurt the peer, whose rings wait for the next one', async () => {
    const { peer, driver } = await linked();
    await driver.claim(100);
    driver.channel.close();
    peer.setUsedIndex(0, 5);
    const next = newDriver();
    await next.start();
    expect(record((await next.messages(3))[2] as Uint8Array, 0).last_avail_idx).toBe(5);
  });
});

describe('crossed notification', () => {
  it("raises the RX queue's vector at the peer's TX kick, and the other way round", async () => {
    const { peer, driver } = await linked();
    for (const [ring, vector] of [
      [1, 2],
      [0, 3],
    ] as const) {
      native.eventfdDrain(driver.interrupts[vector] as number);
      native.eventfdSignal(peer.kicks[ring] as number);
      await until('it was raised', () => native.eventfdDrain(driver.interrupts[vector] as number) > 0n);
    }
  });

  it('passes a notification on to the call descriptor of the crossed ring', async () => {
    const { peer, driver } = await linked();
    await driver.notify(1);
    expect(native.eventfdDrain(peer.calls[0] as number)).toBe(1n);
    await driver.notify(0);
    expect(native.eventfdDrain(peer.calls[1] as number)).toBe(1n);
  });

  it('regression: a call descriptor that takes the place of another is signalled once', async () => {
    const { peer, driver } = await linked();
    for (let i = 0; i < 300; i++) {
      // The call goes to the old descriptor, at which the front-end looks no more, and it does not wait for the answer.
      const before = peer.calls[0] as number;
      const next = native.eventfd();
      driver.postNotify(1);
      peer.post(VHOST_USER.SET_VRING_CALL, u64s(0n), [next]);
      peer.calls[0] = next;
      native.close(before);
      expect((await driver.reply()).error).toBe(0);
      await until('the new one was signalled', () => native.eventfdDrain(next) > 0n);
    }
    expect(await peer.ack(VHOST_USER.SET_VRING_NUM, u32s(0, 256))).toBe(0n);
    expect(native.eventfdDrain(peer.calls[0] as number)).toBe(0n);
  });

  it('gives one descriptor to a client that does not say how many it takes', async () => {
    make();
    const driver = newDriver();
    await driver.version('{"capabilities":{}}\0');
    const { payload, fds } = await driver.request(VFIO_USER.DEVICE_GET_REGION_IO_FDS, u32s(4096, 0, 0, 0));
    expect([payload.getUint32(12, true), fds.length]).toEqual([1, 1]);
    closeAll(fds);
  });

  it('gives an ioeventfd for each queue', async () => {
    const { peer, driver } = await linked();
    const request = new Uint8Array([...u32s(16, 0, 0, 0)]);
    const small = await driver.request(VFIO_USER.DEVICE_GET_REGION_IO_FDS, request);
    expect(small.fds).toEqual([]);
    const argsz = small.payload.getUint32(0, true);
    const { payload, fds } = await driver.request(VFIO_USER.DEVICE_GET_REGION_IO_FDS, u32s(argsz, 0, 0, 0));
    expect(payload.getUint32(12, true)).toBe(3);
    expect([0, 1, 2].map((i) => payload.getBigUint64(16 + 40 * i, true))).toEqual([
      0x3000n,
      0x3004n,
      0x3008n,
    ]);
    native.eventfdSignal(fds[1] as number);
    await until('the peer was called', () => native.eventfdDrain(peer.calls[0] as number) > 0n);
    closeAll(fds);
  });
});

describe('features', () => {
  it('offers the driver the net features and the extensions', async () => {
    make({ features: 1n << 15n });
    const driver = newDriver();
    await driver.version();
    expect(await driver.offeredFeatures()).toBe(
      (1n << 32n) | (1n << 15n) | SESSION | REMAP | GATE | LINK_REASON,
    );
  });

  it('drops a peer that negotiated what the driver does not know, and offers the next one less', async () => {
    make();
    const peer = newPeer();
    await peer.start();
    const driver = newDriver();
    await driver.start((1n << 32n) | SESSION | REMAP);
    await until('the peer was dropped', () => peer.channel.closedBecause !== null);
    const next = newPeer();
    const offered = (await next.ask(VHOST_USER.GET_FEATURES)).getBigUint64(0, true);
    expect(offered).toBe((1n << 32n) | (1n << 30n) | (1n << 3n));
  });

  it('refuses a driver without VERSION_1 or with a feature that was not offered', async () => {
    make();
    const driver = newDriver();
    await driver.version();
    expect(await driver.acceptFeatures(1n << 15n)).toBe(false);
    await driver.setCommon('device_status', 0);
    expect(await driver.acceptFeatures((1n << 32n) | (1n << 33n))).toBe(false);
  });

  it('offers multiqueue to the peer only when there are several pairs', async () => {
    make({ queuePairs: 3 });
    const peer = newPeer();
    expect((await peer.ask(VHOST_USER.GET_FEATURES)).getBigUint64(0, true) & (1n << 22n)).not.toBe(0n);
    const driver = newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP, 3);
    expect([...(await driver.read(0, 0x2000, 4))]).toEqual([3, 0, 0, 0]);
    expect(await driver.common('num_queues')).toBe(7);
  });
});

describe('a legacy peer', () => {
  const PROTOCOL = 1n << 30n;
  const start = async (features: bigint) => {
    const peer = newPeer();
    await peer.negotiate(features);
    await peer.sendMemory();
    for (const index of [0, 1]) await peer.startRing(index);
    for (const index of [0, 1]) await peer.enable(index);
    return peer;
  };

  it.each([
    ['with nothing but split rings', 0n],
    ['with mergeable buffers', 1n << 15n],
  ])('%s gets a link, and the driver hears that VERSION_1 is missing', async (_, features) => {
    make();
    await start(features | PROTOCOL);
    const driver = newDriver();
    await driver.start(DRIVER_NET | SESSION | REMAP);
    const [told] = await driver.messages(3);
    expect(kind(told as Uint8Array)).toBe(FEATURES);
    expect(viewOf(told as Uint8Array).getBigUint64(4, true)).toBe(features);
    await driver.untilLink(true);
  });

  it('gets no link to a driver without SESSION, and the log says why', async () => {
    make();
    await start(PROTOCOL);
    const driver = newDriver();
    await driver.start(DRIVER_NET);
    await until('it is said', () => logged('no link: the peer is a legacy driver') === 1);
    expect(await driver.linkUp()).toBe(false);
  });

  it('gets no driver with --reference, and the log says why', async () => {
    make({ reference: true });
    await start(PROTOCOL);
    expect(logged('needs a device without --reference')).toBe(1);
    expect(existsSync(vfioUser)).toBe(false);
  });

  it.each([
    ['packed rings without VERSION_1', VHOST_USER.SET_FEATURES, u64s((1n << 34n) | PROTOCOL)],
    ['big-endian rings', VHOST_USER.SET_VRING_ENDIAN, u32s(0, 1)],
  ])('is refused %s', async (_, request, payload) => {
    make();
    const peer = newPeer();
    await peer.negotiate();
    expect(await peer.ack(request, payload)).toBe(1n);
  });
});

describe('a driver without SESSION', () => {
  it('is told packed memory and queues once, with the index in vring_num', async () => {
    make();
    const peer = newPeer();
    await peer.start();
    const driver = newDriver();
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

  it('gets no link to rings that it would take for 256 entries', async () => {
    make();
    const driver = newDriver();
    await driver.start(DRIVER_NET);
    const peer = newPeer();
    await peer.negotiate();
    await peer.sendMemory();
    for (const index of [0, 1]) await peer.startRing(index, 0, 512);
    for (const index of [0, 1]) await peer.enable(index);
    await until('it is said', () => logged('assumes 256') === 1);
    expect(await driver.linkUp()).toBe(false);
  });
});

describe('--reference', () => {
  it('listens for drivers while its peer is ready, and offers what the peer negotiated', async () => {
    make({ reference: true });
    expect(existsSync(vfioUser)).toBe(false);
    const peer = newPeer();
    await peer.start();
    await until('it listens', () => existsSync(vfioUser));
    const driver = newDriver();
    await driver.version();
    expect(await driver.offeredFeatures()).toBe((1n << 32n) | (1n << 15n));
    await driver.restart((1n << 32n) | (1n << 15n));
    expect((await driver.messages(2)).map(kind)).toEqual([PACKED, QUEUES]);
    peer.channel.close();
    await until('the driver is cut off', () => driver.channel.closedBecause !== null);
    expect(existsSync(vfioUser)).toBe(false);
  });
});

describe('connections', () => {
  it('takes one peer at a time', async () => {
    const { peer } = await linked();
    const second = newPeer();
    await until('it was refused', () => second.channel.closedBecause !== null);
    expect(logged('another peer refused')).toBe(1);
    expect((await peer.ask(VHOST_USER.GET_FEATURES)).byteLength).toBe(8);
  });

  it('tells a second driver EBUSY', async () => {
    const { driver } = await linked();
    const second = newDriver();
    expect((await second.version()).error).toBe(16);
    await until('it was closed', () => second.channel.closedBecause !== null);
    expect(await driver.linkUp()).toBe(true);
  });

  it('regression: names a file that is no socket, in place of the peer that listens', () => {
    writeFileSync(vhostUser, '');
    make({ vhostUserMode: 'client' });
    expect(lines).toContain(`waiting for a peer at ${vhostUser} (it is not a socket)`);
    rmSync(vhostUser);
  });

  it('connects to a peer that listens, again and again', async () => {
    const listening = native.unixListen(vhostUser);
    make({ vhostUserMode: 'client' });
    for (let round = 0; round < 2; round++) {
      let fd = -1;
      await until('it connects', () => {
        fd = native.unixAccept(listening);
        return fd >= 0;
      });
      const peer = new TestPeer(fd);
      await peer.start();
      peer.close();
      await until('it noticed', () => logged('peer left') === round + 1);
    }
    native.close(listening);
  });

  it('removes its sockets when it closes, and can be closed twice', async () => {
    make();
    expect([existsSync(vhostUser), existsSync(vfioUser)]).toEqual([true, true]);
    device.close();
    device.close();
    expect([existsSync(vhostUser), existsSync(vfioUser)]).toEqual([false, false]);
  });

  it('says what is wrong with a path, and leaves nothing behind', () => {
    expect(() => make({ vfioUser: joinPath(folder, 'no', 'such') })).toThrow(
      /Failed to listen on .*no\/such/,
    );
    expect(existsSync(vhostUser)).toBe(false);
    make();
    expect(() => make()).toThrow(/Failed to listen on .*another process listens there/);
  });

  it.each([0, 129, 1.5])('refuses %s queue pairs', (queuePairs) => {
    make();
    device.close();
    expect(() => make({ queuePairs })).toThrow('choose 1 to 128');
  });
});
