// SPDX-License-Identifier: BSD-3-Clause
import { openSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VHOST_USER, VHOST_USER_MAX_PAYLOAD } from '../../../src/abi/vhost-user.ts';
import { VIRTIO_F_RING_PACKED } from '../../../src/abi/virtio-ring.ts';
import { native } from '../../../src/native.ts';
import { features } from '../../../src/virtio/features.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { VERSION_1 } from '../function/features.ts';
import { logTo } from '../log.ts';
import { join, u32s, u64s, vhostUserMessage } from '../test-help/channel.test-help.ts';
import {
  ALL_PROTOCOL,
  GPA,
  MEMORY_BYTES,
  NET_AND_PROTOCOL,
  TestPeer,
  USER,
} from '../test-help/peer.test-help.ts';
import { type BackendHost, VhostUserBackend } from './backend.ts';
import type { PeerRing } from './peer.ts';

let fdsBefore: number;
let backend: VhostUserBackend;
let peer: TestPeer;
let closed: string[];
let stopped: number[];
let stopRings: (rings: readonly PeerRing[]) => Promise<void>;

beforeEach(() => {
  fdsBefore = openFds();
  closed = [];
  stopped = [];
  stopRings = async (rings) => {
    stopped.push(...rings.map(({ index }) => index));
  };
  const host: BackendHost = {
    offeredFeatures: NET_AND_PROTOCOL,
    acceptFeatures: () => {},
    session: { stopRings: (rings) => stopRings(rings) },
    kicks: { watch: () => {}, unwatch: () => {} },
    changed: () => {},
    closed: (reason) => closed.push(reason),
    onFault: () => {},
    introduced: () => {},
    refused: () => {},
    log: logTo(() => {}, false),
  };
  const [a, b] = native.socketPair();
  backend = new VhostUserBackend(b, 2, host);
  peer = new TestPeer(a);
});

afterEach(async () => {
  peer.close();
  backend.close('the test is done');
  await until('no descriptor is left', () => openFds() <= fdsBefore);
});

const ring = (index: number) => backend.peer.rings[index] as PeerRing;

describe('vhost-user back-end, what front-ends send', () => {
  it('tells its features, queues and memory slots', async () => {
    await peer.negotiate();
    const value = async (request: number) => (await peer.ask(request)).getBigUint64(0, true);
    expect(await value(VHOST_USER.GET_FEATURES)).toBe(NET_AND_PROTOCOL);
    expect(await value(VHOST_USER.GET_PROTOCOL_FEATURES)).toBe(ALL_PROTOCOL);
    expect(await value(VHOST_USER.GET_QUEUE_NUM)).toBe(2n);
    expect(await value(VHOST_USER.GET_MAX_MEM_SLOTS)).toBe(16n);
    expect(backend.peer.features).toBe(NET_AND_PROTOCOL);
  });

  it('gets ready with memory and a running, enabled pair', async () => {
    await peer.negotiate();
    expect(await peer.sendMemory()).toBe(0n);
    await peer.startRing(0);
    await peer.startRing(1);
    await peer.enable(0);
    expect(backend.peer.ready).toBe(false);
    await peer.enable(1);
    expect(backend.peer.ready).toBe(true);
    expect(ring(1).guest).toEqual({ desc: GPA + 0x10000n, avail: GPA + 0x18000n, used: GPA + 0x1a000n });
  });

  it('needs no SET_VRING_ENABLE when protocol features were not negotiated', async () => {
    await peer.negotiate(VERSION_1);
    await peer.sendMemory();
    await peer.startRing(0);
    await peer.startRing(1);
    expect(backend.peer.ready).toBe(true);
  });

  it('starts a ring that is polled, without kick descriptor', async () => {
    await peer.negotiate();
    expect(await peer.ack(VHOST_USER.SET_VRING_KICK, u64s(0x101n))).toBe(0n);
    expect(ring(1)).toMatchObject({ started: true, kickFd: -1 });
  });

  it('stops a ring at GET_VRING_BASE and forgets its addresses', async () => {
    await peer.start();
    stopRings = async ([first]) => {
      if (first) first.next = 77;
    };
    expect(await peer.vringBase(1)).toBe(77);
    expect(ring(1)).toMatchObject({ started: false, user: null, guest: null, base: 77 });
  });

  it('answers GET_VRING_BASE from the used ring when the last driver said nothing', async () => {
    await peer.start();
    ring(0).served = true;
    peer.setUsedIndex(0, 1234);
    expect(await peer.vringBase(0)).toBe(1234);
  });

  it('answers GET_VRING_BASE with the given base when no driver came', async () => {
    await peer.negotiate();
    await peer.ack(VHOST_USER.SET_VRING_BASE, u32s(0, 99));
    expect(await peer.vringBase(0)).toBe(99);
  });

  it('handles the next message only when the driver has let go', async () => {
    await peer.start();
    let release = () => {};
    stopRings = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    peer.post(VHOST_USER.GET_VRING_BASE, u32s(0, 0));
    peer.post(VHOST_USER.GET_FEATURES);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(peer.channel.pending).toBe(0);
    release();
    await peer.reply(VHOST_USER.GET_VRING_BASE);
    await peer.reply(VHOST_USER.GET_FEATURES);
  });

  it('stops every ring before it takes another memory table, and they go on in it', async () => {
    await peer.start();
    stopped.length = 0;
    peer.newMemory();
    const table = join(u32s(1, 0), peer.region(GPA * 2n));
    expect(await peer.ack(VHOST_USER.SET_MEM_TABLE, table, [peer.memory])).toBe(0n);
    expect(stopped).toEqual([0, 1, 2, 3]);
    expect(ring(0).guest?.desc).toBe(GPA * 2n);
  });

  it('closes what a message brought when the connection ends while it waits', async () => {
    await peer.start();
    let release = () => {};
    stopRings = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    peer.post(VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), peer.region()), [peer.memory]);
    const before = release;
    await until('the handler waits', () => release !== before);
    backend.close('now');
    release();
  });

  it('adds and removes memory regions', async () => {
    await peer.negotiate();
    const half = BigInt(MEMORY_BYTES) / 2n;
    const low = join(u64s(0n), peer.region(GPA, half));
    const high = join(u64s(0n), peer.region(GPA + half, half, USER + half, half));
    expect(await peer.ack(VHOST_USER.ADD_MEM_REG, low, [peer.memory])).toBe(0n);
    expect(await peer.ack(VHOST_USER.ADD_MEM_REG, high, [peer.memory])).toBe(0n);
    expect(backend.peer.memory.regions).toHaveLength(2);
    expect(await peer.ack(VHOST_USER.REM_MEM_REG, low)).toBe(0n);
    expect(backend.peer.memory.regions.map(({ gpa }) => gpa)).toEqual([GPA + half]);
    expect(await peer.ack(VHOST_USER.REM_MEM_REG, low)).not.toBe(0n);
  });

  it('keeps the device status and resets at 0 and at RESET_DEVICE', async () => {
    await peer.start();
    expect(await peer.ack(VHOST_USER.SET_STATUS, u64s(15n))).toBe(0n);
    expect((await peer.ask(VHOST_USER.GET_STATUS)).getBigUint64(0, true)).toBe(15n);
    await peer.ack(VHOST_USER.SET_STATUS, u64s(0n));
    expect(backend.peer.ready).toBe(false);
    await peer.startRing(0);
    expect(ring(0).started).toBe(true);
    await peer.ack(VHOST_USER.RESET_DEVICE);
    expect(ring(0).started).toBe(false);
  });
});

/** Every one is answered with a failure, changes nothing, and the connection goes on. */
const REFUSED: [string, () => [number, Uint8Array, number[]?]][] = [
  ['a message that is not offered', () => [VHOST_USER.SET_LOG_BASE, u64s(0n, 0n)]],
  ['an unknown message', () => [255, new Uint8Array(0)]],
  ['message 0', () => [0, new Uint8Array(0)]],
  ['a payload that is too short', () => [VHOST_USER.SET_FEATURES, u32s(1)]],
  ['a payload that is too long', () => [VHOST_USER.SET_OWNER, u32s(1)]],
  ['a descriptor where none belongs', () => [VHOST_USER.SET_OWNER, new Uint8Array(0), [peer.memory]]],
  [
    'features that were not offered',
    () => [VHOST_USER.SET_FEATURES, u64s(NET_AND_PROTOCOL | features(VIRTIO_F_RING_PACKED))],
  ],
  [
    'protocol features that were not offered',
    () => [VHOST_USER.SET_PROTOCOL_FEATURES, u64s(ALL_PROTOCOL | 2n)],
  ],
  ['an MTU of 67', () => [VHOST_USER.NET_SET_MTU, u64s(67n)]],
  ['an MTU of 2^16', () => [VHOST_USER.NET_SET_MTU, u64s(0x10000n)]],
  ['an MTU of 2^32 + 1500', () => [VHOST_USER.NET_SET_MTU, u64s((1n << 32n) + 1500n)]],
  ['a group address to announce', () => [VHOST_USER.SEND_RARP, u64s(1n)]],
  ['no address to announce', () => [VHOST_USER.SEND_RARP, u64s(0xffffn << 48n)]],
  ['other features while rings run', () => [VHOST_USER.SET_FEATURES, u64s(VERSION_1)]],
  ['a ring that does not exist', () => [VHOST_USER.SET_VRING_NUM, u32s(4, 256)]],
  ['ring 2^16', () => [VHOST_USER.SET_VRING_NUM, u32s(0x10000, 256)]],
  ['ring 2^32 - 1', () => [VHOST_USER.SET_VRING_ENABLE, u32s(0xffff_ffff, 1)]],
  ['a ring of no entries', () => [VHOST_USER.SET_VRING_NUM, u32s(0, 0)]],
  ['a ring of 3 entries', () => [VHOST_USER.SET_VRING_NUM, u32s(0, 3)]],
  ['a ring of 65536 entries', () => [VHOST_USER.SET_VRING_NUM, u32s(0, 65536)]],
  ['a base of a packed ring', () => [VHOST_USER.SET_VRING_BASE, u32s(0, 0x10000)]],
  ['an enable that is neither 0 nor 1', () => [VHOST_USER.SET_VRING_ENABLE, u32s(0, 2)]],
  ['a ring outside the memory', () => [VHOST_USER.SET_VRING_ADDR, peer.addresses(0, USER + 0x10_0000n)]],
  ['a ring at addresses of another space', () => [VHOST_USER.SET_VRING_ADDR, peer.addresses(0, GPA)]],
  ['a ring that is not aligned', () => [VHOST_USER.SET_VRING_ADDR, peer.addresses(0, USER + 8n)]],
  ['a ring of another index', () => [VHOST_USER.SET_VRING_ADDR, peer.addresses(9)]],
  ['a kick descriptor that is no eventfd', () => [VHOST_USER.SET_VRING_KICK, u64s(0n), [peer.memory]]],
  ['a call descriptor that is no eventfd', () => [VHOST_USER.SET_VRING_CALL, u64s(0n), [peer.memory]]],
  ['an error descriptor that is no eventfd', () => [VHOST_USER.SET_VRING_ERR, u64s(0n), [peer.memory]]],
  ['no kick descriptor', () => [VHOST_USER.SET_VRING_KICK, u64s(0n)]],
  ['two kick descriptors', () => [VHOST_USER.SET_VRING_KICK, u64s(0n), [peer.memory, peer.memory]]],
  ['a kick descriptor and the bit for none', () => [VHOST_USER.SET_VRING_KICK, u64s(0x100n), [peer.memory]]],
  ['unknown bits with a call descriptor', () => [VHOST_USER.SET_VRING_CALL, u64s(0x200n), [peer.memory]]],
  ['kick ring 255', () => [VHOST_USER.SET_VRING_KICK, u64s(0x1ffn)]],
  ['a status of more than 8 bits', () => [VHOST_USER.SET_STATUS, u64s(0x100n)]],
  ['a memory table of no regions', () => [VHOST_USER.SET_MEM_TABLE, u32s(0, 0)]],
  ['a memory table of 9 regions', () => [VHOST_USER.SET_MEM_TABLE, join(u32s(9, 0), peer.region())]],
  [
    'a cut memory table',
    () => [VHOST_USER.SET_MEM_TABLE, join(u32s(2, 0), peer.region()), [peer.memory, peer.memory]],
  ],
  ['a memory table without descriptors', () => [VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), peer.region())]],
  [
    'a memory table with a descriptor too many',
    () => [VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), peer.region()), [peer.memory, peer.memory]],
  ],
  [
    'an empty region',
    () => [VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), peer.region(GPA, 0n)), [peer.memory]],
  ],
  [
    'a region beyond its file',
    () => [
      VHOST_USER.SET_MEM_TABLE,
      join(u32s(1, 0), peer.region(GPA, BigInt(MEMORY_BYTES) + 1n)),
      [peer.memory],
    ],
  ],
  [
    'a region whose offset and size overflow',
    () => [
      VHOST_USER.SET_MEM_TABLE,
      join(u32s(1, 0), peer.region(GPA, 4096n, USER, 2n ** 64n - 1n)),
      [peer.memory],
    ],
  ],
  [
    'overlapping regions',
    () => [
      VHOST_USER.SET_MEM_TABLE,
      join(u32s(2, 0), peer.region(), peer.region()),
      [peer.memory, peer.memory],
    ],
  ],
  [
    'memory that is no file',
    () => [VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), peer.region()), [peer.kicks[0] as number]],
  ],
  ['ADD_MEM_REG without descriptor', () => [VHOST_USER.ADD_MEM_REG, join(u64s(0n), peer.region())]],
  ['ADD_MEM_REG that overlaps', () => [VHOST_USER.ADD_MEM_REG, join(u64s(0n), peer.region()), [peer.memory]]],
  ['REM_MEM_REG of nothing', () => [VHOST_USER.REM_MEM_REG, join(u64s(0n), peer.region(GPA + 1n))]],
];

describe('vhost-user back-end, refusals', () => {
  it.each(REFUSED)('refuses %s and goes on', async (_, make) => {
    await peer.start();
    const fds = openFds();
    expect(await peer.ack(...make())).not.toBe(0n);
    expect(openFds()).toBe(fds);
    expect((await peer.ask(VHOST_USER.GET_FEATURES)).byteLength).toBe(8);
    expect(backend.peer.ready).toBe(true);
  });

  it.each(REFUSED)('closes at %s when no acknowledgement was asked for', async (_, make) => {
    await peer.start();
    const [request, payload, fds] = make();
    peer.post(request, payload, fds);
    await until('it is closed', () => closed.length > 0);
    expect(closed).toHaveLength(1);
  });

  it('refuses a message of a protocol feature that was not negotiated', async () => {
    peer.post(VHOST_USER.RESET_DEVICE);
    await until('it is closed', () => closed.length > 0);
    expect(closed).toEqual(['RESET_DEVICE: its feature is not negotiated']);
  });

  it('closes at a ring index that has no error reply', async () => {
    await peer.negotiate();
    peer.post(VHOST_USER.GET_VRING_BASE, u32s(4, 0), [], 1 | 8);
    await until('it is closed', () => closed.length > 0);
    expect(closed).toEqual([expect.stringMatching(/^GET_VRING_BASE: ring 4 of 4: .* --queues 3 or more$/)]);
  });

  it('takes a ring back when its new size does not fit', async () => {
    await peer.start();
    expect(await peer.ack(VHOST_USER.SET_VRING_NUM, u32s(1, 32768))).toBe(0n);
    await peer.ack(VHOST_USER.SET_VRING_NUM, u32s(1, 256));
    const last = join(u32s(1, 0), u64s(USER + 0xffff0n, USER + 0xff000n, USER + 0xfe000n, 0n));
    expect(await peer.ack(VHOST_USER.SET_VRING_ADDR, last)).not.toBe(0n);
    expect(backend.peer.ready).toBe(false);
  });

  it.each([
    ['another protocol version', vhostUserMessage(1, new Uint8Array(0), 2)],
    ['a reply', vhostUserMessage(1, new Uint8Array(0), 5)],
    ['a payload that nobody sends', vhostUserMessage(5, new Uint8Array(VHOST_USER_MAX_PAYLOAD + 1))],
    ['a size of 2^32 - 1', u32s(1, 1, 0xffff_ffff)],
  ])('closes at %s', async (_, bytes) => {
    peer.channel.send(bytes, [peer.memory]);
    await until('it is closed', () => closed.length > 0);
    expect(closed).toHaveLength(1);
  });

  it('refuses a 17th memory slot', async () => {
    await peer.negotiate();
    const slot = (i: bigint) =>
      join(u64s(0n), peer.region(GPA + i * 8192n, 4096n, USER + i * 8192n, i * 4096n));
    for (let i = 0n; i < 16n; i++) {
      expect(await peer.ack(VHOST_USER.ADD_MEM_REG, slot(i), [peer.memory])).toBe(0n);
    }
    expect(await peer.ack(VHOST_USER.ADD_MEM_REG, slot(16n), [peer.memory])).not.toBe(0n);
  });

  it('refuses a device file as memory', async () => {
    await peer.negotiate();
    const fd = openSync('/dev/zero', 'r+');
    expect(await peer.ack(VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), peer.region()), [fd])).not.toBe(0n);
    native.close(fd);
  });

  it('leaks nothing in a storm of malformed messages', async () => {
    await peer.start();
    const fds = openFds();
    for (let i = 0; i < 2000; i++) {
      const [request, payload, given] = (REFUSED[i % REFUSED.length] as (typeof REFUSED)[number])[1]();
      await peer.ack(request, payload, given);
    }
    expect(openFds()).toBe(fds);
    expect(backend.peer.ready).toBe(true);
  });
});
