// SPDX-License-Identifier: BSD-3-Clause
// Which client gets the single slot at each of the two sockets, for how long, and what a flood of connections
// costs.
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { VHOST_USER } from '../../../src/abi/vhost-user.ts';
import { openVfioUser } from '../../../src/bus/vfio-user.ts';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { createDevice, type Device, type DeviceOptions } from '../device.ts';
import { VERSION_1 } from '../function/features.ts';
import {
  join,
  sendRaw,
  u32s,
  u64s,
  vfioUserMessage,
  vhostUserMessage,
} from '../test-help/channel.test-help.ts';
import { DRIVER_NET, TestDriver } from '../test-help/driver.test-help.ts';
import { ALL_PROTOCOL, NET_AND_PROTOCOL, TestPeer } from '../test-help/peer.test-help.ts';

const EBUSY = 16;

let folder: string;
let vhostUser: string;
let vfioUser: string;
let device: Device;
let lines: string[];
let fdsBefore: number;
let open: { close(): void }[];

beforeEach(() => {
  fdsBefore = openFds();
  folder = mkdtempSync(joinPath(tmpdir(), 'vhost-pci-device-'));
  vhostUser = joinPath(folder, 'vhost-user');
  vfioUser = joinPath(folder, 'vfio-user');
  lines = [];
  open = [];
});

afterEach(async () => {
  for (const end of open) end.close();
  device.close();
  await until('no descriptor is left', () => openFds() <= fdsBefore);
  rmSync(folder, { recursive: true });
});

const make = (options: Partial<DeviceOptions> = {}) => {
  device = createDevice({ vhostUser, vfioUser, log: (line) => lines.push(line), ...options });
};
const keep = <T extends { close(): void }>(end: T): T => {
  open.push(end);
  return end;
};
const newPeer = () => keep(new TestPeer(native.unixConnect(vhostUser)));
const newDriver = () => keep(new TestDriver(native.unixConnect(vfioUser)));
/** A connection that sends `data` and nothing else. */
const stray = (path: string, data: Uint8Array = new Uint8Array(0)) => {
  const fd = native.unixConnect(path);
  if (data.length > 0) sendRaw(fd, data);
  return keep({ close: () => native.close(fd) });
};
const logged = (text: string) => lines.filter((line) => line.includes(text)).length;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

const PEER_MESSAGE = vhostUserMessage(VHOST_USER.SET_FEATURES, u64s(NET_AND_PROTOCOL));
const DRIVER_MESSAGE = vfioUserMessage(VFIO_USER.VERSION, u32s(0));

describe('a client that reconnects at once', () => {
  it('regression: F6: is served, as a peer, though its old connection has not been read to the end', async () => {
    make();
    for (let i = 0; i < 50; i++) {
      const peer = new TestPeer(native.unixConnect(vhostUser));
      await peer.negotiate();
      // A message that the device has not read yet precedes the end of the connection.
      peer.post(VHOST_USER.GET_FEATURES);
      peer.close();
    }
    const last = newPeer();
    await last.start();
    expect(logged('refused')).toBe(0);
  });

  it('regression: F6: is served, as a driver', async () => {
    make();
    for (let i = 0; i < 50; i++) {
      const driver = new TestDriver(native.unixConnect(vfioUser));
      expect((await driver.version()).error).toBe(0);
      driver.close();
    }
    expect((await newDriver().version()).error).toBe(0);
    expect(logged('refused')).toBe(0);
  });
});

describe('a silent connection', () => {
  it.each([
    ['says nothing', 0],
    ['sends one byte', 1],
    ['sends a header and half of its payload', PEER_MESSAGE.length - 4],
  ])('regression: F8: loses the place of the peer when it %s, to one that waits', async (_, bytes) => {
    make({ handshakeMs: 300 });
    stray(vhostUser, PEER_MESSAGE.slice(0, bytes));
    await until('it is there', () => logged('peer connected') === 1);
    const peer = newPeer();
    await peer.start();
    expect(logged('peer disconnected: it did')).toBe(0);
    expect(lines.join()).toMatch(
      /peer disconnected: it (connected but did not negotiate|did not finish a message)/,
    );
    expect(logged('another peer refused')).toBe(0);
  });

  it.each([
    ['says nothing', 0],
    ['sends one byte', 1],
    ['sends a header and half of its payload', DRIVER_MESSAGE.length - 2],
  ])('regression: F8: loses the place of the driver when it %s, to one that waits', async (_, bytes) => {
    make({ handshakeMs: 300 });
    stray(vfioUser, DRIVER_MESSAGE.slice(0, bytes));
    await until('it is there', () => logged('driver connected') === 1);
    const driver = newDriver();
    expect((await driver.version()).error).toBe(0);
    expect(lines.join()).toMatch(
      /driver disconnected: it (connected but agreed on no version|did not finish a message)/,
    );
  });

  it('regression: F8: loses its place in the middle of a message, though it had negotiated', async () => {
    make({ handshakeMs: 300 });
    const peer = newPeer();
    await peer.start();
    peer.channel.send(PEER_MESSAGE.subarray(0, 5));
    await until('it is closed', () => peer.channel.closedBecause !== null);
    expect(lines.at(-1)).toBe('peer disconnected: it did not finish a message');
  });

  it('keeps its place indefinitely once it has negotiated', async () => {
    make({ handshakeMs: 50 });
    const peer = newPeer();
    await peer.negotiate();
    const driver = newDriver();
    await driver.version();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await peer.sendMemory()).toBe(0n);
    expect(logged('left')).toBe(0);
  });

  it('makes at most as many others wait as there are seats', async () => {
    make();
    for (let i = 0; i < 12; i++) stray(vhostUser);
    await until('the surplus is refused', () => logged('another peer refused') === 3);
    for (let i = 0; i < 12; i++) stray(vfioUser);
    await until('the surplus is refused', () => logged('another driver refused') === 3);
  });

  it('is skipped when it has left before its turn', async () => {
    make({ handshakeMs: 300 });
    stray(vhostUser);
    await until('it is there', () => logged('peer connected') === 1);
    for (let i = 0; i < 5; i++) native.close(native.unixConnect(vhostUser));
    await newPeer().start();
    expect(logged('peer connected')).toBe(2);
  });

  it('makes those that wait learn at once that the place is taken, when it negotiates after all', async () => {
    make();
    const [peer, waits] = [newPeer(), newPeer()];
    const [driver, late] = [newDriver(), newDriver()];
    await peer.negotiate();
    await until('it is refused', () => waits.channel.closedBecause !== null);
    await driver.version();
    expect(await late.errorOf(VFIO_USER.VERSION, u32s(0))).toBe(EBUSY);
  });
});

describe('a connection to the wrong socket', () => {
  const peersPlace = () =>
    `it speaks vhost-user: this is the vfio-user socket ${vfioUser}, peers connect to ${vhostUser}`;
  const driversPlace = () =>
    `it speaks vfio-user: this is the vhost-user socket ${vhostUser}, drivers connect to ${vfioUser}`;

  it.each<[string, number, Uint8Array, number]>([
    ['GET_FEATURES', VHOST_USER.GET_FEATURES, new Uint8Array(0), 1],
    ['SET_OWNER, to be acknowledged', VHOST_USER.SET_OWNER, new Uint8Array(0), 9],
    ['SET_FEATURES', VHOST_USER.SET_FEATURES, u64s(VERSION_1), 1],
  ])('regression: of a peer is recognized by its %s at once', async (_, request, payload, flags) => {
    make();
    stray(vfioUser, vhostUserMessage(request, payload, flags));
    await until('it is closed', () => logged('driver disconnected') === 1);
    expect(lines.at(-1)).toBe(`driver disconnected: ${peersPlace()}`);
    expect((await newDriver().version()).error).toBe(0);
  });

  it('of a peer is recognized while a driver has the device', async () => {
    make();
    await newDriver().version();
    stray(vfioUser, PEER_MESSAGE);
    await until('it is closed', () => logged('speaks') === 1);
    expect(lines.at(-1)).toBe(`that was not a driver: ${peersPlace()}`);
  });

  it('of a peer is recognized when its header comes in pieces', async () => {
    make();
    const fd = native.unixConnect(vfioUser);
    keep({ close: () => native.close(fd) });
    const message = vhostUserMessage(VHOST_USER.GET_FEATURES);
    for (let i = 0; i < 8; i++) {
      expect(logged('driver disconnected')).toBe(0);
      sendRaw(fd, message.subarray(i, i + 1));
      await turn();
    }
    await until('it is closed', () => logged('driver disconnected') === 1);
    expect(lines.at(-1)).toBe(`driver disconnected: ${peersPlace()}`);
  });

  it('regression: of a driver is recognized by its VERSION', async () => {
    make();
    const ends = () => lines.filter((line) => line.startsWith('peer disconnected'));
    const version = join(u32s(0), new TextEncoder().encode('{}\0'));
    stray(vhostUser, vfioUserMessage(VFIO_USER.VERSION, version, 0, 0));
    await until('it is closed', () => ends().length === 1);
    expect(() => openVfioUser(vhostUser, 50)).toThrow(/no vfio-user server answers there/);
    await until('it is closed', () => ends().length === 2);
    expect(new Set(ends())).toEqual(new Set([`peer disconnected: ${driversPlace()}`]));
    await newPeer().start();
  });
});

describe('the log of a device under attack', () => {
  const FLOOD = 3000;

  it.each<[string, (done: () => Promise<void>) => Promise<void>]>([
    [
      'connections that end at once',
      async (done) => {
        for (let i = 0; i < FLOOD; i++) {
          native.close(native.unixConnect(vhostUser));
          native.close(native.unixConnect(vfioUser));
          if (i % 20 === 0) await done();
        }
      },
    ],
    [
      'second peers and drivers',
      async (done) => {
        await newPeer().start();
        await newDriver().version();
        for (let i = 0; i < FLOOD; i++) {
          native.close(native.unixConnect(vhostUser));
          native.close(native.unixConnect(vfioUser));
          if (i % 20 === 0) await done();
        }
      },
    ],
    [
      'features of another virtio',
      async () => {
        const peer = newPeer();
        await peer.negotiate();
        for (let i = 0; i < FLOOD; i++) await peer.ack(VHOST_USER.SET_FEATURES, u64s(BigInt(i % 2) << 30n));
      },
    ],
    [
      'a ring that is switched on and off',
      async () => {
        const peer = newPeer();
        await peer.start();
        // A driver without SESSION is not asked to stop: the link goes down and up each time.
        const driver = newDriver();
        await driver.start(DRIVER_NET);
        await driver.messages(2);
        for (let i = 0; i < FLOOD; i++) await peer.enable(0, i % 2);
        expect(logged('link')).toBeGreaterThan(4);
      },
    ],
    [
      'messages that are refused',
      async () => {
        const peer = newPeer();
        await peer.negotiate();
        for (let i = 0; i < FLOOD; i++) await peer.ack(VHOST_USER.SET_VRING_NUM, u32s(i, 3));
      },
    ],
  ])('regression: F4: is bounded: %s', async (_, attack) => {
    make();
    await attack(turn);
    device.close();
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(100);
  });
});

describe('more queue pairs than the function has', () => {
  it('regression: F4: are named when a front-end leaves on learning their number, as QEMU and DPDK do', async () => {
    make({ queuePairs: 4 });
    const peer = newPeer();
    peer.post(VHOST_USER.SET_OWNER);
    peer.post(VHOST_USER.SET_PROTOCOL_FEATURES, u64s(ALL_PROTOCOL));
    await peer.ask(VHOST_USER.GET_QUEUE_NUM);
    peer.channel.close();
    await until('it has left', () => logged('peer disconnected') === 1);
    expect(lines.at(-1)).toBe(
      'peer disconnected on learning that the function has 4 queue pairs: if it needs more, start vhost-pci-device with that many --queues',
    );
  });

  it('regression: F4: are named when a front-end sets them up', async () => {
    make({ queuePairs: 4 });
    const peer = newPeer();
    await peer.negotiate();
    expect(await peer.enable(15)).toBe(1n);
    expect(lines).toContain(
      "refused the peer's SET_VRING_ENABLE: ring 15 of 8: it needs at least 8 queue pairs, but the function has 4: start vhost-pci-device with --queues 8 or more",
    );
  });

  it('are not blamed when a peer leaves that had already started', async () => {
    make({ queuePairs: 4 });
    const peer = newPeer();
    await peer.negotiate();
    await peer.ask(VHOST_USER.GET_QUEUE_NUM);
    peer.channel.close();
    await until('it has left', () => logged('peer disconnected') === 1);
    expect(lines.at(-1)).toBe('peer disconnected');
  });
});

describe('sockets', () => {
  it('regression: have the mode that is asked for', () => {
    make({ socketAccess: { mode: 0o660 } });
    expect([vhostUser, vfioUser].map((path) => statSync(path).mode & 0o777)).toEqual([0o660, 0o660]);
  });

  it('regression: of another device model at the same paths are left alone', async () => {
    make();
    const first = device;
    rmSync(vhostUser);
    rmSync(vfioUser);
    make();
    first.close();
    expect(existsSync(vhostUser) && existsSync(vfioUser)).toBe(true);
    await newPeer().start();
    expect((await newDriver().version()).error).toBe(0);
  });
});
