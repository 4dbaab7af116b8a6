// SPDX-License-Identifier: BSD-3-Clause
// What the vhost-user back-end refuses; a refusal leaves nothing behind.
import { openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VHOST_USER, VHOST_USER_MAX_PAYLOAD } from '../../../src/abi/vhost-user.ts';
import { VIRTIO_F_RING_PACKED } from '../../../src/abi/virtio-ring.ts';
import { native } from '../../../src/native.ts';
import { features } from '../../../src/virtio/features.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { VERSION_1 } from '../function/features.ts';
import { backEndForEachTest } from '../test-help/back-end.test-help.ts';
import { join, u32s, u64s, vhostUserMessage } from '../test-help/channel.test-help.ts';
import { ALL_PROTOCOL, GPA, MEMORY_BYTES, NET_AND_PROTOCOL, USER } from '../test-help/peer.test-help.ts';

const stage = backEndForEachTest();

/** Each is answered with a failure and changes nothing, and the connection goes on. */
const REFUSED: [string, () => [number, Uint8Array, number[]?]][] = [
  ['a message that is not offered', () => [VHOST_USER.SET_LOG_BASE, u64s(0n, 0n)]],
  ['an unknown message', () => [255, new Uint8Array(0)]],
  ['message 0', () => [0, new Uint8Array(0)]],
  ['a payload that is too short', () => [VHOST_USER.SET_FEATURES, u32s(1)]],
  ['a payload that is too long', () => [VHOST_USER.SET_OWNER, u32s(1)]],
  ['a descriptor where none belongs', () => [VHOST_USER.SET_OWNER, new Uint8Array(0), [stage.peer.memory]]],
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
  ['a multicast address to announce', () => [VHOST_USER.SEND_RARP, u64s(1n)]],
  ['an all-zero address to announce', () => [VHOST_USER.SEND_RARP, u64s(0xffffn << 48n)]],
  ['other features while rings run', () => [VHOST_USER.SET_FEATURES, u64s(VERSION_1)]],
  ['a ring that does not exist', () => [VHOST_USER.SET_VRING_NUM, u32s(4, 256)]],
  ['ring 2^16', () => [VHOST_USER.SET_VRING_NUM, u32s(0x10000, 256)]],
  ['ring 2^32 - 1', () => [VHOST_USER.SET_VRING_ENABLE, u32s(0xffff_ffff, 1)]],
  ['a ring of no entries', () => [VHOST_USER.SET_VRING_NUM, u32s(0, 0)]],
  ['a ring of 3 entries', () => [VHOST_USER.SET_VRING_NUM, u32s(0, 3)]],
  ['a ring of 65536 entries', () => [VHOST_USER.SET_VRING_NUM, u32s(0, 65536)]],
  ['a base of a packed ring', () => [VHOST_USER.SET_VRING_BASE, u32s(0, 0x10000)]],
  ['an enable that is neither 0 nor 1', () => [VHOST_USER.SET_VRING_ENABLE, u32s(0, 2)]],
  [
    'a ring outside the memory',
    () => [VHOST_USER.SET_VRING_ADDR, stage.peer.addresses(0, USER + 0x10_0000n)],
  ],
  ['a ring at guest-physical addresses', () => [VHOST_USER.SET_VRING_ADDR, stage.peer.addresses(0, GPA)]],
  ['a ring that is not aligned', () => [VHOST_USER.SET_VRING_ADDR, stage.peer.addresses(0, USER + 8n)]],
  ['a ring of another index', () => [VHOST_USER.SET_VRING_ADDR, stage.peer.addresses(9)]],
  [
    'a kick descriptor that is not an eventfd',
    () => [VHOST_USER.SET_VRING_KICK, u64s(0n), [stage.peer.memory]],
  ],
  [
    'a call descriptor that is not an eventfd',
    () => [VHOST_USER.SET_VRING_CALL, u64s(0n), [stage.peer.memory]],
  ],
  [
    'an error descriptor that is not an eventfd',
    () => [VHOST_USER.SET_VRING_ERR, u64s(0n), [stage.peer.memory]],
  ],
  ['no kick descriptor', () => [VHOST_USER.SET_VRING_KICK, u64s(0n)]],
  [
    'two kick descriptors',
    () => [VHOST_USER.SET_VRING_KICK, u64s(0n), [stage.peer.memory, stage.peer.memory]],
  ],
  [
    'a kick descriptor and the bit for none',
    () => [VHOST_USER.SET_VRING_KICK, u64s(0x100n), [stage.peer.memory]],
  ],
  [
    'unknown bits with a call descriptor',
    () => [VHOST_USER.SET_VRING_CALL, u64s(0x200n), [stage.peer.memory]],
  ],
  ['kick ring 255', () => [VHOST_USER.SET_VRING_KICK, u64s(0x1ffn)]],
  ['a status of more than 8 bits', () => [VHOST_USER.SET_STATUS, u64s(0x100n)]],
  ['a memory table of no regions', () => [VHOST_USER.SET_MEM_TABLE, u32s(0, 0)]],
  ['a memory table of 9 regions', () => [VHOST_USER.SET_MEM_TABLE, join(u32s(9, 0), stage.peer.region())]],
  [
    'a truncated memory table',
    () => [
      VHOST_USER.SET_MEM_TABLE,
      join(u32s(2, 0), stage.peer.region()),
      [stage.peer.memory, stage.peer.memory],
    ],
  ],
  [
    'a memory table without descriptors',
    () => [VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), stage.peer.region())],
  ],
  [
    'a memory table with a surplus descriptor',
    () => [
      VHOST_USER.SET_MEM_TABLE,
      join(u32s(1, 0), stage.peer.region()),
      [stage.peer.memory, stage.peer.memory],
    ],
  ],
  [
    'an empty region',
    () => [VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), stage.peer.region(GPA, 0n)), [stage.peer.memory]],
  ],
  [
    'a region beyond its file',
    () => [
      VHOST_USER.SET_MEM_TABLE,
      join(u32s(1, 0), stage.peer.region(GPA, BigInt(MEMORY_BYTES) + 1n)),
      [stage.peer.memory],
    ],
  ],
  [
    'a region whose offset and size overflow',
    () => [
      VHOST_USER.SET_MEM_TABLE,
      join(u32s(1, 0), stage.peer.region(GPA, 4096n, USER, 2n ** 64n - 1n)),
      [stage.peer.memory],
    ],
  ],
  [
    'overlapping regions',
    () => [
      VHOST_USER.SET_MEM_TABLE,
      join(u32s(2, 0), stage.peer.region(), stage.peer.region()),
      [stage.peer.memory, stage.peer.memory],
    ],
  ],
  [
    'memory that is not a file',
    () => [VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), stage.peer.region()), [stage.peer.kicks[0] as number]],
  ],
  ['ADD_MEM_REG without descriptor', () => [VHOST_USER.ADD_MEM_REG, join(u64s(0n), stage.peer.region())]],
  [
    'ADD_MEM_REG that overlaps',
    () => [VHOST_USER.ADD_MEM_REG, join(u64s(0n), stage.peer.region()), [stage.peer.memory]],
  ],
  ['REM_MEM_REG of nothing', () => [VHOST_USER.REM_MEM_REG, join(u64s(0n), stage.peer.region(GPA + 1n))]],
];

describe('vhost-user back-end, refusals', () => {
  it.each(REFUSED)('refuses %s and goes on', async (_, make) => {
    await stage.peer.start();
    const fds = openFds();
    expect(await stage.peer.ack(...make())).not.toBe(0n);
    expect(openFds()).toBe(fds);
    expect((await stage.peer.ask(VHOST_USER.GET_FEATURES)).byteLength).toBe(8);
    expect(stage.connection.peer.ready).toBe(true);
  });

  it.each(REFUSED)('closes at %s when no acknowledgement was asked for', async (_, make) => {
    await stage.peer.start();
    const [request, payload, fds] = make();
    stage.peer.post(request, payload, fds);
    await until('it is closed', () => stage.closed.length > 0);
    expect(stage.closed).toHaveLength(1);
  });

  it('refuses a message of a protocol feature that was not negotiated', async () => {
    stage.peer.post(VHOST_USER.RESET_DEVICE);
    await until('it is closed', () => stage.closed.length > 0);
    expect(stage.closed).toEqual(['RESET_DEVICE: its protocol feature was not negotiated']);
  });

  it('closes at a ring index that has no error reply', async () => {
    await stage.peer.negotiate();
    stage.peer.post(VHOST_USER.GET_VRING_BASE, u32s(4, 0), [], 1 | 8);
    await until('it is closed', () => stage.closed.length > 0);
    expect(stage.closed).toEqual([
      expect.stringMatching(/^GET_VRING_BASE: ring 4 of 4: .* --queues 3 or more$/),
    ]);
  });

  it('takes a ring back when its new size does not fit', async () => {
    await stage.peer.start();
    expect(await stage.peer.ack(VHOST_USER.SET_VRING_NUM, u32s(1, 32768))).toBe(0n);
    await stage.peer.ack(VHOST_USER.SET_VRING_NUM, u32s(1, 256));
    const last = join(u32s(1, 0), u64s(USER + 0xffff0n, USER + 0xff000n, USER + 0xfe000n, 0n));
    expect(await stage.peer.ack(VHOST_USER.SET_VRING_ADDR, last)).not.toBe(0n);
    expect(stage.connection.peer.ready).toBe(false);
  });

  it.each([
    ['another protocol version', vhostUserMessage(1, new Uint8Array(0), 2)],
    ['a reply', vhostUserMessage(1, new Uint8Array(0), 5)],
    ['a payload longer than any message', vhostUserMessage(5, new Uint8Array(VHOST_USER_MAX_PAYLOAD + 1))],
    ['a size of 2^32 - 1', u32s(1, 1, 0xffff_ffff)],
  ])('closes at %s', async (_, bytes) => {
    stage.peer.channel.send(bytes, [stage.peer.memory]);
    await until('it is closed', () => stage.closed.length > 0);
    expect(stage.closed).toHaveLength(1);
  });

  it('refuses a 17th memory slot', async () => {
    await stage.peer.negotiate();
    const slot = (i: bigint) =>
      join(u64s(0n), stage.peer.region(GPA + i * 8192n, 4096n, USER + i * 8192n, i * 4096n));
    for (let i = 0n; i < 16n; i++) {
      expect(await stage.peer.ack(VHOST_USER.ADD_MEM_REG, slot(i), [stage.peer.memory])).toBe(0n);
    }
    expect(await stage.peer.ack(VHOST_USER.ADD_MEM_REG, slot(16n), [stage.peer.memory])).not.toBe(0n);
  });

  it('refuses a device file as memory', async () => {
    await stage.peer.negotiate();
    const fd = openSync('/dev/zero', 'r+');
    expect(
      await stage.peer.ack(VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), stage.peer.region()), [fd]),
    ).not.toBe(0n);
    native.close(fd);
  });

  it('leaks nothing in a storm of malformed messages', async () => {
    await stage.peer.start();
    const fds = openFds();
    for (let i = 0; i < 2000; i++) {
      const [request, payload, given] = (REFUSED[i % REFUSED.length] as (typeof REFUSED)[number])[1]();
      await stage.peer.ack(request, payload, given);
    }
    expect(openFds()).toBe(fds);
    expect(stage.connection.peer.ready).toBe(true);
  });
});
