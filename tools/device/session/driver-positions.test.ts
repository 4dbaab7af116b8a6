// SPDX-License-Identifier: BSD-3-Clause
// Where the next driver of a packed ring continues, whatever the previous one was doing when it died.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { VIRTIO_F_RING_PACKED } from '../../../src/abi/virtio-ring.ts';
import { native } from '../../../src/native.ts';
import { features } from '../../../src/virtio/features.ts';
import { until } from '../../../test/support/wait.ts';
import { createDevice, type Device } from '../device.ts';
import { u32s, u64s } from '../test-help/channel.test-help.ts';
import { DRIVER_NET, REMAP, SESSION, TestDriver } from '../test-help/driver.test-help.ts';
import { NET_AND_PROTOCOL, TestPeer } from '../test-help/peer.test-help.ts';
import { kind, QUEUES, record, stopOf, stopped } from '../test-help/stage.test-help.ts';
import { whereItStopped } from './driver-positions.ts';

const WRAP = 0x8000;
const PACKED = features(VIRTIO_F_RING_PACKED);
/** Flags of a slot in the first round, wrap counter 1: AVAIL is bit 7, USED bit 15. */
const AVAILABLE = 0x0080;
const USED = 0x8080;
const AVAILABLE_AGAIN = 0x8000;

describe('a place in a packed ring', () => {
  const memory = (flags: readonly number[]) => ({
    read: () => {
      const view = new DataView(new ArrayBuffer(16 * flags.length));
      for (const [slot, value] of flags.entries()) view.setUint16(16 * slot + 14, value, true);
      return view;
    },
  });
  const where = (shown: number, next: number, flags: readonly number[]) =>
    whereItStopped({ shown, next, serial: 1 }, { num: flags.length, guest: { desc: 0n } }, memory(flags));

  it('is certain between two packets', () => {
    expect(where(WRAP | 2, WRAP | 2, [USED, USED, AVAILABLE, AVAILABLE])).toBe(WRAP | 2);
  });

  it('is before a packet whose first slot is not used, and after it when it is', () => {
    expect(where(WRAP | 1, WRAP | 3, [USED, AVAILABLE, AVAILABLE, AVAILABLE])).toBe(WRAP | 1);
    expect(where(WRAP | 1, WRAP | 3, [USED, USED, AVAILABLE, AVAILABLE])).toBe(WRAP | 3);
  });

  it('is after a packet whose slot the peer has made available again', () => {
    expect(where(WRAP | 1, WRAP | 2, [AVAILABLE_AGAIN, AVAILABLE_AGAIN, AVAILABLE])).toBe(WRAP | 2);
  });

  it('counts rounds', () => {
    expect(where(WRAP | 2, 0, [AVAILABLE, AVAILABLE, USED])).toBe(0);
    expect(where(WRAP | 2, 0, [AVAILABLE_AGAIN, USED, AVAILABLE])).toBe(WRAP | 2);
    expect(where(2, WRAP, [USED, USED, AVAILABLE_AGAIN])).toBe(2);
    expect(where(2, WRAP, [USED, USED, 0])).toBe(WRAP);
  });

  it('is unknown in the middle of a packet over several buffers', () => {
    expect(where(WRAP, WRAP | 3, [AVAILABLE, AVAILABLE, USED, AVAILABLE])).toBeNull();
    expect(where(WRAP | 2, 1, [AVAILABLE_AGAIN, AVAILABLE_AGAIN, AVAILABLE])).toBe(WRAP | 2);
    expect(where(WRAP | 2, 1, [0, AVAILABLE_AGAIN, AVAILABLE])).toBeNull();
  });

  it('is unknown when the words make no sense, whatever they are', () => {
    expect(where(WRAP | 4, WRAP | 4, [USED, USED, USED, USED])).toBeNull();
    expect(where(WRAP | 1, 9, [USED, USED, USED, USED])).toBeNull();
    const u16 = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(u16, u16, fc.array(u16, { minLength: 1, maxLength: 9 }), (shown, next, flags) => {
        const place = where(shown, next, flags);
        if (place !== null) expect(place & ~WRAP).toBeLessThan(flags.length);
      }),
    );
  });

  it('is unknown without the ring', () => {
    expect(
      whereItStopped({ shown: 0, next: 1, serial: 1 }, { num: 4, guest: { desc: 0n } }, { read: () => null }),
    ).toBeNull();
  });
});

describe('a driver of packed rings that leaves', () => {
  let folder: string;
  let device: Device;
  let peer: TestPeer;
  let lines: string[];
  const drivers: TestDriver[] = [];

  /** The records of the last REMOTE_QUEUES of some messages. */
  const records = (messages: readonly Uint8Array[]) => {
    const message = messages.findLast((one) => kind(one) === QUEUES) as Uint8Array;
    return [0, 1].map((index) => record(message, index));
  };
  const connect = async () => {
    const driver = new TestDriver(native.unixConnect(join(folder, 'vfio')));
    drivers.push(driver);
    await driver.start(DRIVER_NET | PACKED | SESSION | REMAP);
    return { driver, sent: records(await driver.messages(3)) };
  };
  const leave = async (driver: TestDriver) => {
    const left = lines.filter((line) => line.includes('driver disconnected')).length;
    driver.channel.close();
    await until(
      'it is gone',
      () => lines.filter((line) => line.includes('driver disconnected')).length > left,
    );
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-positions-'));
    lines = [];
    device = createDevice({
      vhostUser: join(folder, 'vhost'),
      vfioUser: join(folder, 'vfio'),
      log: (line) => lines.push(line),
    });
    peer = new TestPeer(native.unixConnect(join(folder, 'vhost')));
    await peer.start(NET_AND_PROTOCOL | PACKED, WRAP);
  });

  afterEach(() => {
    for (const driver of drivers.splice(0)) driver.close();
    peer.close();
    device.close();
    rmSync(folder, { recursive: true });
  });

  it('hands its positions to the next one: ring 0 is kept with local queue 1 and vice versa', async () => {
    const { driver, sent } = await connect();
    expect(sent.map(({ last_avail_idx }) => last_avail_idx)).toEqual([WRAP, WRAP]);
    expect(sent[0]?.serial).not.toBe(sent[1]?.serial);
    driver.keepPosition(1, WRAP | 77, WRAP | 77, sent[0]?.serial ?? 0);
    driver.keepPosition(0, 5, 6, sent[1]?.serial ?? 0);
    peer.setSlotFlags(1, 5, 0); // used in the second round
    await leave(driver);
    const { sent: next } = await connect();
    expect(next.map(({ last_avail_idx }) => last_avail_idx)).toEqual([WRAP | 77, 6]);
    expect(next[0]?.serial).not.toBe(sent[0]?.serial);
  });

  it('hands on what it was sent when it never started', async () => {
    const { driver, sent } = await connect();
    driver.keepPosition(1, WRAP | 9, WRAP | 9, (sent[0]?.serial ?? 0) + 100);
    await leave(driver);
    const { sent: next } = await connect();
    expect(next.map(({ last_avail_idx }) => last_avail_idx)).toEqual([WRAP, WRAP]);
  });

  it('also provides the answer to the peer', async () => {
    const { driver, sent } = await connect();
    driver.keepPosition(0, WRAP | 3, WRAP | 3, sent[1]?.serial ?? 0);
    await leave(driver);
    expect((await peer.vringBase(1)) >>> 0).toBe((((WRAP | 3) << 16) | WRAP | 3) >>> 0);
  });

  it('is read again when it is reset after a failure', async () => {
    const { driver, sent } = await connect();
    driver.keepPosition(0, WRAP | 3, WRAP | 3, sent[1]?.serial ?? 0);
    await driver.send(Uint8Array.of(9, 9, 4, 0));
    await until('it failed', () => lines.some((line) => line.includes('driver failed')));
    driver.keepPosition(0, WRAP | 8, WRAP | 8, sent[1]?.serial ?? 0);
    await leave(driver);
    const { sent: next } = await connect();
    expect(next[1]?.last_avail_idx).toBe(WRAP | 8);
  });

  it('is read before its memory is unmapped', async () => {
    const { driver, sent } = await connect();
    driver.keepPosition(0, WRAP | 3, WRAP | 3, sent[1]?.serial ?? 0);
    driver.keepPosition(1, WRAP | 4, WRAP | 4, sent[0]?.serial ?? 0);
    await driver.request(VFIO_USER.DMA_UNMAP, new Uint8Array([...u32s(24, 2), ...u64s(0n, 0n)]));
    driver.keepPosition(0, WRAP | 8, WRAP | 8, sent[1]?.serial ?? 0);
    await leave(driver);
    const { sent: next } = await connect();
    expect(next.map(({ last_avail_idx }) => last_avail_idx)).toEqual([WRAP | 4, WRAP | 3]);
  });

  it('leaves a ring at rest when its words make no sense, until the peer sets it up again', async () => {
    const { driver, sent } = await connect();
    driver.keepPosition(0, WRAP | 256, WRAP | 256, sent[1]?.serial ?? 0);
    await leave(driver);
    expect(lines.filter((line) => line.includes('ring 1 stays stopped'))).toHaveLength(1);
    const second = new TestDriver(native.unixConnect(join(folder, 'vfio')));
    drivers.push(second);
    await second.start(DRIVER_NET | PACKED | SESSION | REMAP);
    expect(await second.linkUp()).toBe(false);
    await peer.vringBase(1);
    await peer.startRing(1, WRAP);
    const [queues] = [records(await second.messages(3))];
    expect(queues?.map(({ vring_enable }) => vring_enable)).toEqual([1, 1]);
    await second.untilLink(true);
  });

  it('is failed when it stops at a slot that does not exist, and its memory is used instead', async () => {
    const { driver, sent } = await connect();
    driver.keepPosition(0, WRAP | 3, WRAP | 3, sent[1]?.serial ?? 0);
    const base = peer.vringBase(1);
    const [stop] = await driver.messages(1);
    const { index, token } = stopOf(stop as Uint8Array);
    await driver.send(stopped(index, 256, token));
    expect((await base) & 0xffff).toBe(WRAP | 3);
    expect(lines.some((line) => line.includes('QUEUE_STOPPED at slot 256 of 256'))).toBe(true);
  });
});
