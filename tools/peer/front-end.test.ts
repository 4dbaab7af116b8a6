// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, describe, expect, it } from 'vitest';
import { decode, encode } from '../../src/abi/layout.ts';
import {
  VHOST_USER,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_MEMORY_REGION,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_STATUS,
  VHOST_USER_VRING_ADDR,
  VHOST_USER_VRING_STATE,
} from '../../src/abi/vhost-user.ts';
import { VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF } from '../../src/abi/virtio-net.ts';
import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_EVENT_IDX, VIRTIO_F_VERSION_1 } from '../../src/abi/virtio-ring.ts';
import { native } from '../../src/native.ts';
import { features } from '../../src/virtio/features.ts';
import {
  replyBytes,
  ScriptedBackEnd,
  type ScriptedBackEndOptions,
  u64Bytes,
} from '../../test/support/scripted-back-end.ts';
import { until } from '../../test/support/wait.ts';
import { Channel } from './channel.ts';
import { FrontEnd } from './front-end.ts';

const VERSION_1 = features(VIRTIO_F_VERSION_1);
const MRG_RXBUF = features(VIRTIO_NET_F_MRG_RXBUF);
const EVENT_IDX = features(VIRTIO_F_RING_EVENT_IDX);
const IN_ORDER = features(VIRTIO_F_IN_ORDER);
const MQ = features(VIRTIO_NET_F_MQ);
const PROTOCOL = features(VHOST_USER_F_PROTOCOL_FEATURES);
const P_MQ = features(VHOST_USER_PROTOCOL_F_MQ);
const P_REPLY_ACK = features(VHOST_USER_PROTOCOL_F_REPLY_ACK);
const P_MEM_SLOTS = features(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
const P_STATUS = features(VHOST_USER_PROTOCOL_F_STATUS);

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function connect(options: Partial<ScriptedBackEndOptions> = {}): {
  frontEnd: FrontEnd;
  backEnd: ScriptedBackEnd;
} {
  const [ours, theirs] = native.socketPair();
  const channel = new Channel(ours, '/run/back-end', 60_000);
  const backEnd = new ScriptedBackEnd(theirs, {
    features: VERSION_1 | MRG_RXBUF | MQ | PROTOCOL,
    protocolFeatures: P_MQ | P_REPLY_ACK | P_STATUS,
    queuePairs: 4,
    script: {},
    ...options,
  });
  closers.push(
    () => channel.close(),
    () => backEnd.close(),
  );
  return { frontEnd: new FrontEnd(channel, '/run/back-end'), backEnd };
}

const eventfd = (): number => {
  const fd = native.eventfd();
  closers.push(() => native.close(fd));
  return fd;
};

const region = (fd: number) => ({
  gpa: 0x4000_0000n,
  size: 2 << 20,
  userspace: 0x7f00_0000_0000n,
  offset: 0,
  fd,
});

describe('negotiation', () => {
  it('takes what both sides want and nothing else', async () => {
    const { frontEnd } = connect({ features: VERSION_1 | MRG_RXBUF | PROTOCOL | EVENT_IDX });
    const { features: agreed, maxPairs } = await frontEnd.negotiate(MRG_RXBUF | IN_ORDER, 1);
    expect(agreed).toBe(VERSION_1 | MRG_RXBUF);
    expect(maxPairs).toBe(4);
  });

  it('adds MQ for several pairs only', async () => {
    const { frontEnd } = connect();
    expect((await frontEnd.negotiate(0n, 2)).features).toBe(VERSION_1 | MQ);
  });

  it('sends no protocol message to a back-end without protocol features', async () => {
    const { frontEnd, backEnd } = connect({ features: VERSION_1 });
    const negotiated = await frontEnd.negotiate(0n, 1);
    await frontEnd.enableRing(0, true);
    expect(negotiated).toMatchObject({ protocolFeatures: 0n, maxPairs: 1 });
    expect(backEnd.names).toEqual(['SET_OWNER', 'GET_FEATURES']);
  });

  it('refuses a legacy back-end', async () => {
    const { frontEnd } = connect({ features: MRG_RXBUF });
    await expect(frontEnd.negotiate(0n, 1)).rejects.toMatchObject({ code: 'VPCI_BACKEND_FEATURES' });
  });

  it('negotiates as a legacy driver: neither VERSION_1 nor anything above bit 31', async () => {
    const { frontEnd } = connect({ features: VERSION_1 | MRG_RXBUF | IN_ORDER | EVENT_IDX });
    const { features: agreed } = await frontEnd.negotiate(MRG_RXBUF | IN_ORDER | EVENT_IDX, 1, true);
    expect(agreed).toBe(MRG_RXBUF | EVENT_IDX);
  });

  it('refuses a back-end with too few queues and names both numbers', async () => {
    const { frontEnd } = connect({ queuePairs: 2 });
    await expect(frontEnd.negotiate(0n, 3)).rejects.toMatchObject({
      code: 'VPCI_QUEUE_COUNT',
      message: expect.stringMatching(/has 2 queue pairs, but 3 were requested/),
    });
  });
});

describe('configuration', () => {
  it.each([
    ['SET_MEM_TABLE', 0n],
    ['ADD_MEM_REG', P_MEM_SLOTS],
  ] as const)('hands over the memory by %s', async (name, extra) => {
    const { frontEnd, backEnd } = connect({ protocolFeatures: P_REPLY_ACK | extra });
    const fd = native.memfdCreate('test', 2 << 20, false);
    closers.push(() => native.close(fd));
    await frontEnd.negotiate(MRG_RXBUF, 1);
    await frontEnd.configure(region(fd));
    const message = backEnd.find(name);
    expect(decode(VHOST_USER_MEMORY_REGION, message?.payload as DataView, 8)).toEqual({
      guest_phys_addr: 0x4000_0000n,
      memory_size: BigInt(2 << 20),
      userspace_addr: 0x7f00_0000_0000n,
      mmap_offset: 0n,
    });
    expect(native.fileInfo(message?.fds[0] as number).inode).toBe(native.fileInfo(fd).inode);
    expect(backEnd.find('SET_FEATURES')?.payload.getBigUint64(0, true)).toBe(
      VERSION_1 | MRG_RXBUF | PROTOCOL,
    );
  });

  it('sets up the ring: base, user addresses, and the kick last', async () => {
    const { frontEnd, backEnd } = connect();
    await frontEnd.negotiate(0n, 1);
    const ring = {
      index: 1,
      size: 256,
      base: 9,
      desc: 0x1000n,
      avail: 0x2000n,
      used: 0x3000n,
      kickFd: eventfd(),
    };
    await frontEnd.startRing(ring);
    expect(backEnd.names.slice(-4)).toEqual([
      'SET_VRING_NUM',
      'SET_VRING_BASE',
      'SET_VRING_ADDR',
      'SET_VRING_KICK',
    ]);
    const state = (name: 'SET_VRING_NUM' | 'SET_VRING_BASE') =>
      decode(VHOST_USER_VRING_STATE, backEnd.find(name)?.payload as DataView);
    expect(state('SET_VRING_NUM')).toEqual({ index: 1, num: 256 });
    expect(state('SET_VRING_BASE')).toEqual({ index: 1, num: 9 });
    expect(decode(VHOST_USER_VRING_ADDR, backEnd.find('SET_VRING_ADDR')?.payload as DataView)).toEqual({
      index: 1,
      flags: 0,
      descriptor: 0x1000n,
      used: 0x3000n,
      available: 0x2000n,
      log: 0n,
    });
    expect(backEnd.find('SET_VRING_KICK')).toMatchObject({ fds: [expect.any(Number)] });
  });

  it('gives each ring its own call eventfd', async () => {
    const { frontEnd, backEnd } = connect();
    await frontEnd.negotiate(0n, 1);
    const calls = [eventfd(), eventfd()];
    await frontEnd.setCalls(calls);
    const messages = backEnd.messages.filter(({ name }) => name === 'SET_VRING_CALL');
    expect(messages.map(({ payload }) => payload.getBigUint64(0, true))).toEqual([0n, 1n]);
    native.eventfdSignal(messages[1]?.fds[0] as number);
    expect(calls.map((fd) => native.eventfdDrain(fd))).toEqual([0n, 1n]);
  });

  it('sends DRIVER_OK only to a back-end with STATUS', async () => {
    const statuses = async (protocolFeatures: bigint): Promise<bigint[]> => {
      const { frontEnd, backEnd } = connect({ protocolFeatures });
      await frontEnd.negotiate(0n, 1);
      await frontEnd.driverOk();
      const messages = backEnd.messages.filter(({ name }) => name === 'SET_STATUS');
      return messages.map(({ payload }) => payload.getBigUint64(0, true));
    };
    expect(await statuses(P_REPLY_ACK)).toEqual([]);
    expect(await statuses(P_REPLY_ACK | P_STATUS)).toEqual([15n]);
  });

  it('a refused memory table is an error that names the message', async () => {
    const { frontEnd } = connect({ script: { SET_MEM_TABLE: () => u64Bytes(VHOST_USER.SET_MEM_TABLE, 1n) } });
    const fd = native.memfdCreate('test', 2 << 20, false);
    closers.push(() => native.close(fd));
    await frontEnd.negotiate(0n, 1);
    await expect(frontEnd.configure(region(fd))).rejects.toMatchObject({
      code: 'VPCI_BACKEND_REFUSED',
      message: expect.stringMatching(/SET_MEM_TABLE/),
    });
  });
});

describe('the end of a ring', () => {
  it('returns the index that the back-end reports', async () => {
    const { frontEnd } = connect();
    await frontEnd.negotiate(0n, 1);
    expect(await frontEnd.stopRing(1)).toBe(7);
  });

  it.each([
    ['another ring', { index: 0, num: 7 }],
    ['an index beyond 16 bits', { index: 1, num: 0x10000 }],
  ])('refuses %s', async (_name, state) => {
    const answer = replyBytes(VHOST_USER.GET_VRING_BASE, encode(VHOST_USER_VRING_STATE, state));
    const { frontEnd } = connect({ script: { GET_VRING_BASE: () => answer } });
    await frontEnd.negotiate(0n, 1);
    await expect(frontEnd.stopRing(1)).rejects.toMatchObject({ code: 'VPCI_BACKEND_PROTOCOL' });
  });

  it('a hang-up instead of the answer', async () => {
    const { frontEnd, backEnd } = connect({ script: { GET_VRING_BASE: () => 'hang up' } });
    await frontEnd.negotiate(0n, 1);
    await expect(frontEnd.stopRing(0)).rejects.toMatchObject({ code: 'VPCI_BACKEND_GONE' });
    await until('it is over', () => backEnd.names.includes('GET_VRING_BASE'));
  });
});
