// SPDX-License-Identifier: BSD-3-Clause
// Rings taken back through the gate words: what the device expects of a driver, and what a lying or sleeping
// driver can do.
import { ftruncateSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { VHOST_PCI_GATE_REVOKED } from '../../../src/abi/vhost-pci.ts';
import { VHOST_USER } from '../../../src/abi/vhost-user.ts';
import { VIRTIO_F_RING_PACKED } from '../../../src/abi/virtio-ring.ts';
import { native } from '../../../src/native.ts';
import { features } from '../../../src/virtio/features.ts';
import { plainMemory } from '../../../test/support/plain-memory.ts';
import { until } from '../../../test/support/wait.ts';
import { createDevice, type Device } from '../device.ts';
import { u32s, u64s } from '../test-help/channel.test-help.ts';
import { DMA_BYTES, DRIVER_NET, GATE, REMAP, SESSION, TestDriver } from '../test-help/driver.test-help.ts';
import { NET_AND_PROTOCOL, TestPeer } from '../test-help/peer.test-help.ts';
import { kind, QUEUES, record } from '../test-help/stage.test-help.ts';

const PACKED = features(VIRTIO_F_RING_PACKED);
const WRAP = 0x8000;
const ALL = DRIVER_NET | SESSION | REMAP | GATE;
/** The local queues for the peer's rings 0 and 1. */
const QUEUE_OF = [1, 0] as const;

let folder: string;
let device: Device;
let peer: TestPeer;
let lines: string[];
const drivers: TestDriver[] = [];

const logged = (text: string) => lines.filter((line) => line.includes(text)).length;
const recordsOf = (messages: readonly Uint8Array[]) => {
  const queues = messages.findLast((message) => kind(message) === QUEUES) as Uint8Array;
  return [0, 1].map((i) => record(queues, i));
};

const newDriver = (memory?: number): TestDriver => {
  const driver = new TestDriver(native.unixConnect(join(folder, 'vfio')), memory);
  drivers.push(driver);
  return driver;
};

/** A driver with link whose position words show that it has started on both rings, and its rings' serials. */
async function linked(features = 0n, memory?: number): Promise<{ driver: TestDriver; serials: number[] }> {
  await peer.start(NET_AND_PROTOCOL | features, features ? WRAP : 0);
  const driver = newDriver(memory);
  await driver.start(ALL | features);
  const serials = recordsOf(await driver.messages(3)).map(({ serial }) => serial);
  for (const ring of [0, 1]) begin(driver, ring, serials[ring] as number);
  await driver.untilLink(true);
  return { driver, serials };
}

const begin = (driver: TestDriver, ring: number, serial: number, at = 0) =>
  driver.keepPosition(QUEUE_OF[ring] as number, at, at, serial);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-gates-'));
  lines = [];
  device = createDevice({
    vhostUser: join(folder, 'vhost'),
    vfioUser: join(folder, 'vfio'),
    log: (line) => lines.push(line),
  });
  peer = new TestPeer(native.unixConnect(join(folder, 'vhost')));
});

afterEach(() => {
  for (const driver of drivers.splice(0)) driver.close();
  peer.close();
  device.close();
  rmSync(folder, { recursive: true });
});

describe('the gate of a ring', () => {
  it('is opened by the serial of the record, with the record', async () => {
    const { driver, serials } = await linked();
    expect(serials).toEqual([1, 2]);
    expect([driver.allowed(1), driver.allowed(0)]).toEqual(serials);
  });

  it('regression: is closed, and the peer answered, while the driver takes no message', async () => {
    const { driver, serials } = await linked();
    peer.setUsedIndex(1, 4711);
    expect(await peer.vringBase(1)).toBe(4711);
    expect([driver.allowed(1), driver.allowed(0)]).toEqual([serials[0], 0]);
    expect(logged('driver failed')).toBe(0);
    const messages = await driver.messages(1);
    expect(messages.map(kind)).toEqual([QUEUES]);
    expect(recordsOf(messages).map(({ vring_enable }) => vring_enable)).toEqual([1, 0]);
  });

  it('makes the peer wait only while a burst is inside', async () => {
    const { driver } = await linked();
    driver.setBusy(0, 1);
    let answered = false;
    const base = peer.vringBase(1).finally(() => (answered = true));
    await until('the gate is closed', () => driver.allowed(0) === 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(answered).toBe(false);
    peer.setUsedIndex(1, 12);
    driver.setBusy(0, 0);
    expect(await base).toBe(12);
    expect(logged('driver failed')).toBe(0);
  });

  it('fails a driver whose burst does not leave in time, once, and answers the peer', async () => {
    const { driver } = await linked();
    driver.setBusy(0, 1);
    driver.setBusy(1, 1);
    peer.setUsedIndex(1, 7);
    expect(await peer.vringBase(1)).toBe(7);
    expect(lines.filter((line) => line.includes('driver failed'))).toEqual([
      'driver failed: the driver did not release queue 1 within 1000 ms',
    ]);
    expect(Number(await driver.common('device_status')) & 64).toBe(64);
    // The gate word of an abandoned ring does not change, whatever else happens to the ring.
    expect([driver.allowed(0), driver.allowed(1)]).toEqual([VHOST_PCI_GATE_REVOKED, 0]);
    const start = performance.now();
    await peer.vringBase(0);
    expect(performance.now() - start).toBeLessThan(900);
    expect(logged('driver failed')).toBe(1);
    const revoked = [VHOST_PCI_GATE_REVOKED, VHOST_PCI_GATE_REVOKED];
    expect([driver.allowed(0), driver.allowed(1)]).toEqual(revoked);
    await peer.vringBase(1);
    peer.channel.close();
    await until('it noticed', () => logged('peer disconnected') === 1);
    expect([driver.allowed(0), driver.allowed(1)]).toEqual(revoked);
  });

  const failures = () => lines.filter((line) => line.includes('driver failed'));

  it('regression: fails a driver that sleeps in a burst while its peer leaves and the next one comes', async () => {
    const { driver } = await linked();
    driver.setBusy(0, 1);
    peer.channel.close();
    await until('the peer left', () => logged('peer disconnected') === 1);
    peer = new TestPeer(native.unixConnect(join(folder, 'vhost')));
    // Its rings were never assigned to the driver, which must not be left with a gate that stays shut.
    await peer.start(NET_AND_PROTOCOL);
    await until('the driver fails', () => failures().length > 0);
    expect(failures()).toEqual([expect.stringMatching(/did not release queue [01, ]+ within 1000 ms$/)]);
    expect(Number(await driver.common('device_status')) & 64).toBe(64);
    expect(driver.allowed(0)).toBe(VHOST_PCI_GATE_REVOKED);
    // Awake, it resets the device as it is told to, and works on.
    driver.setBusy(0, 0);
    const again = newDriver();
    driver.channel.close();
    await again.start(ALL);
    await again.untilLink(true);
  });

  it('fails a late driver also when the peer that waited for it has left', async () => {
    const { driver } = await linked();
    driver.setBusy(0, 1);
    const base = peer.vringBase(1).catch(() => {});
    await until('the gate is closed', () => driver.allowed(0) === 0);
    peer.channel.close();
    await base;
    await until('the driver fails', () => failures().length > 0);
    expect(driver.allowed(0)).toBe(VHOST_PCI_GATE_REVOKED);
  });

  it('opens again with another serial when the ring is restarted', async () => {
    const { driver, serials } = await linked();
    await peer.vringBase(0);
    await driver.messages(1);
    await peer.startRing(0, 12, 512);
    const [record] = recordsOf(await driver.messages(1));
    expect(record).toMatchObject({ last_avail_idx: 12, vring_enable: 1, vring_num: 512 });
    expect(record?.serial).not.toBe(serials[0]);
    expect(driver.allowed(1)).toBe(record?.serial);
    await driver.untilLink(true);
  });

  it('stays closed to a driver that has not been sent the record yet', async () => {
    const { driver } = await linked();
    // The driver takes no more messages; the queue has room for those that follow.
    for (let i = 0; i < 40; i++) {
      await peer.vringBase(1);
      await peer.startRing(1, 5);
    }
    await peer.vringBase(1);
    expect(driver.allowed(0)).toBe(0);
    await peer.startRing(1, 6);
    expect(driver.allowed(0)).toBe(0);
    const messages: Uint8Array[] = [];
    while (messages.length === 0 || recordsOf(messages)[1]?.last_avail_idx !== 6) {
      messages.push(...driver.collect());
      await driver.notify(2);
    }
    expect(driver.allowed(0)).toBe(recordsOf(messages)[1]?.serial);
  });

  it.each<[string, number, () => Promise<unknown>]>([
    ['disabled', 1, () => peer.enable(1, 0)],
    [
      'given different addresses',
      1,
      () => peer.ack(VHOST_USER.SET_VRING_ADDR, peer.addresses(1, undefined, 3)),
    ],
    ['given a different size', 1, () => peer.ack(VHOST_USER.SET_VRING_NUM, u32s(1, 128))],
    ['given a different base', 1, () => peer.ack(VHOST_USER.SET_VRING_BASE, u32s(1, 9))],
    ['in memory that is replaced', 1, () => peer.sendMemory()],
    ['reset with the device', 0, () => peer.ack(VHOST_USER.RESET_DEVICE)],
    ['reset by its status', 0, () => peer.ack(VHOST_USER.SET_STATUS, u64s(0n))],
  ])('is closed when the ring is %s', async (_, again, change) => {
    const { driver, serials } = await linked();
    driver.setBusy(0, 1);
    let done = false;
    const changed = change().then(() => (done = true));
    await until('the gate is closed', () => driver.allowed(0) === 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(done).toBe(false);
    driver.setBusy(0, 0);
    await changed;
    expect(driver.allowed(0)).not.toBe(serials[1]);
    if (!again) expect(driver.allowed(0)).toBe(0);
    expect(logged('driver failed')).toBe(0);
  });

  it('is closed when the peer leaves, which needs no answer', async () => {
    const { driver } = await linked();
    peer.channel.close();
    await until('the peer left', () => logged('peer disconnected') === 1);
    expect([driver.allowed(0), driver.allowed(1)]).toEqual([0, 0]);
  });

  it('does not make the peer wait for a driver that leaves meanwhile', async () => {
    const { driver } = await linked();
    driver.setBusy(0, 1);
    const base = peer.vringBase(1);
    await until('the gate is closed', () => driver.allowed(0) === 0);
    driver.channel.close();
    await base;
    expect(logged('driver failed')).toBe(0);
  });
});

describe('the position of a gated driver', () => {
  it('is what it was sent when it never started on the ring', async () => {
    await peer.start(NET_AND_PROTOCOL, 100);
    const driver = newDriver();
    await driver.start(ALL);
    await driver.messages(3);
    // Left by another back-end.
    peer.setUsedIndex(1, 3);
    expect(await peer.vringBase(1)).toBe(100);
  });

  it('in a packed ring is taken from its position words', async () => {
    const { driver, serials } = await linked(PACKED);
    begin(driver, 1, serials[1] as number, WRAP | 33);
    expect((await peer.vringBase(1)) >>> 0).toBe((((WRAP | 33) << 16) | WRAP | 33) >>> 0);
    begin(driver, 0, 999, 5);
    expect((await peer.vringBase(0)) >>> 0).toBe(((WRAP << 16) | WRAP) >>> 0);
  });

  it('leaves a packed ring at rest when the words are nonsense', async () => {
    const { driver, serials } = await linked(PACKED);
    begin(driver, 1, serials[1] as number, WRAP | 256);
    await peer.vringBase(1);
    expect(logged('ring 1 stays stopped')).toBe(1);
  });
});

describe('gate words of a hostile driver', () => {
  it('may hold any value: anything but 0 is a burst', async () => {
    const { driver } = await linked();
    driver.setBusy(0, 0xffff_ffff);
    const base = peer.vringBase(1);
    await until('the gate is closed', () => driver.allowed(0) === 0);
    driver.setBusy(0, 0x8000_0000);
    driver.setBusy(0, 0);
    await base;
  });

  it('in a file that shrinks read as idle', async () => {
    const memory = plainMemory(DMA_BYTES);
    const { driver } = await linked(0n, memory);
    driver.setBusy(0, 1);
    ftruncateSync(memory, 0);
    await peer.vringBase(1);
    expect(logged('did not release')).toBe(0);
  });

  it('must lie where the device can access them, in cache lines of their own', async () => {
    await peer.start();
    const driver = newDriver();
    driver.areaShift = 8n;
    await driver.start(ALL);
    await until('it failed', () => logged('the device cannot reach the gate words') === 1);
    expect(await driver.linkUp()).toBe(false);
  });

  it('end with their memory: a driver that unmaps them fails, and the peer is answered', async () => {
    const { driver } = await linked();
    driver.setBusy(0, 1);
    const base = peer.vringBase(1);
    await until('the gate is closed', () => driver.allowed(0) === 0);
    await driver.request(VFIO_USER.DMA_UNMAP, new Uint8Array([...u32s(24, 2), ...u64s(0n, 0n)]));
    await base;
    expect(logged('driver failed')).toBe(1);
  });

  it('need SESSION, which numbers the assignments of rings', async () => {
    const driver = newDriver();
    await driver.version();
    expect(await driver.acceptFeatures(DRIVER_NET | GATE)).toBe(false);
    expect(logged('refused a driver with GATE but without SESSION')).toBe(1);
  });
});
