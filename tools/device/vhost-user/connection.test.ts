// SPDX-License-Identifier: BSD-3-Clause
// The vhost-user back-end: valid sequences of messages from front-ends.
import { describe, expect, it } from 'vitest';
import { VHOST_USER } from '../../../src/abi/vhost-user.ts';
import { until } from '../../../test/support/wait.ts';
import { VERSION_1 } from '../function/features.ts';
import { backEndForEachTest } from '../test-help/back-end.test-help.ts';
import { join, u32s, u64s } from '../test-help/channel.test-help.ts';
import { ALL_PROTOCOL, GPA, MEMORY_BYTES, NET_AND_PROTOCOL, USER } from '../test-help/peer.test-help.ts';

const stage = backEndForEachTest();

describe('vhost-user back-end, valid messages', () => {
  it('reports its features, queues and memory slots', async () => {
    await stage.peer.negotiate();
    const value = async (request: number) => (await stage.peer.ask(request)).getBigUint64(0, true);
    expect(await value(VHOST_USER.GET_FEATURES)).toBe(NET_AND_PROTOCOL);
    expect(await value(VHOST_USER.GET_PROTOCOL_FEATURES)).toBe(ALL_PROTOCOL);
    expect(await value(VHOST_USER.GET_QUEUE_NUM)).toBe(2n);
    expect(await value(VHOST_USER.GET_MAX_MEM_SLOTS)).toBe(16n);
    expect(stage.connection.peer.features).toBe(NET_AND_PROTOCOL);
  });

  it('becomes ready with memory and a running, enabled pair', async () => {
    await stage.peer.negotiate();
    expect(await stage.peer.sendMemory()).toBe(0n);
    await stage.peer.startRing(0);
    await stage.peer.startRing(1);
    await stage.peer.enable(0);
    expect(stage.connection.peer.ready).toBe(false);
    await stage.peer.enable(1);
    expect(stage.connection.peer.ready).toBe(true);
    expect(stage.ring(1).guest).toEqual({
      desc: GPA + 0x10000n,
      avail: GPA + 0x18000n,
      used: GPA + 0x1a000n,
    });
  });

  it('needs no SET_VRING_ENABLE when protocol features were not negotiated', async () => {
    await stage.peer.negotiate(VERSION_1);
    await stage.peer.sendMemory();
    await stage.peer.startRing(0);
    await stage.peer.startRing(1);
    expect(stage.connection.peer.ready).toBe(true);
  });

  it('starts a polled ring, without a kick descriptor', async () => {
    await stage.peer.negotiate();
    expect(await stage.peer.ack(VHOST_USER.SET_VRING_KICK, u64s(0x101n))).toBe(0n);
    expect(stage.ring(1)).toMatchObject({ started: true, kickFd: -1 });
  });

  it('stops a ring at GET_VRING_BASE and forgets its addresses', async () => {
    await stage.peer.start();
    stage.stopRings = async ([first]) => {
      if (first) first.next = 77;
    };
    expect(await stage.peer.vringBase(1)).toBe(77);
    expect(stage.ring(1)).toMatchObject({ started: false, user: null, guest: null, base: 77 });
  });

  it('answers GET_VRING_BASE from the used ring when the last driver reported nothing', async () => {
    await stage.peer.start();
    stage.ring(0).served = true;
    stage.peer.setUsedIndex(0, 1234);
    expect(await stage.peer.vringBase(0)).toBe(1234);
  });

  it('answers GET_VRING_BASE with the base that was set when no driver came', async () => {
    await stage.peer.negotiate();
    await stage.peer.ack(VHOST_USER.SET_VRING_BASE, u32s(0, 99));
    expect(await stage.peer.vringBase(0)).toBe(99);
  });

  it('handles the next message only after the driver has released the ring', async () => {
    await stage.peer.start();
    let release = () => {};
    stage.stopRings = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    stage.peer.post(VHOST_USER.GET_VRING_BASE, u32s(0, 0));
    stage.peer.post(VHOST_USER.GET_FEATURES);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stage.peer.channel.pending).toBe(0);
    release();
    await stage.peer.reply(VHOST_USER.GET_VRING_BASE);
    await stage.peer.reply(VHOST_USER.GET_FEATURES);
  });

  it('stops every ring before it takes a new memory table, and restarts them in it', async () => {
    await stage.peer.start();
    stage.stopped.length = 0;
    stage.peer.newMemory();
    const table = join(u32s(1, 0), stage.peer.region(GPA * 2n));
    expect(await stage.peer.ack(VHOST_USER.SET_MEM_TABLE, table, [stage.peer.memory])).toBe(0n);
    expect(stage.stopped).toEqual([0, 1, 2, 3]);
    expect(stage.ring(0).guest?.desc).toBe(GPA * 2n);
  });

  it('closes the descriptors of a message when the connection ends while it waits', async () => {
    await stage.peer.start();
    let release = () => {};
    stage.stopRings = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    stage.peer.post(VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), stage.peer.region()), [stage.peer.memory]);
    const before = release;
    await until('the handler waits', () => release !== before);
    stage.connection.close('now');
    release();
  });

  it('adds and removes memory regions', async () => {
    await stage.peer.negotiate();
    const half = BigInt(MEMORY_BYTES) / 2n;
    const low = join(u64s(0n), stage.peer.region(GPA, half));
    const high = join(u64s(0n), stage.peer.region(GPA + half, half, USER + half, half));
    expect(await stage.peer.ack(VHOST_USER.ADD_MEM_REG, low, [stage.peer.memory])).toBe(0n);
    expect(await stage.peer.ack(VHOST_USER.ADD_MEM_REG, high, [stage.peer.memory])).toBe(0n);
    expect(stage.connection.peer.memory.regions).toHaveLength(2);
    expect(await stage.peer.ack(VHOST_USER.REM_MEM_REG, low)).toBe(0n);
    expect(stage.connection.peer.memory.regions.map(({ gpa }) => gpa)).toEqual([GPA + half]);
    expect(await stage.peer.ack(VHOST_USER.REM_MEM_REG, low)).not.toBe(0n);
  });

  it('keeps the device status and resets at 0 and at RESET_DEVICE', async () => {
    await stage.peer.start();
    expect(await stage.peer.ack(VHOST_USER.SET_STATUS, u64s(15n))).toBe(0n);
    expect((await stage.peer.ask(VHOST_USER.GET_STATUS)).getBigUint64(0, true)).toBe(15n);
    await stage.peer.ack(VHOST_USER.SET_STATUS, u64s(0n));
    expect(stage.connection.peer.ready).toBe(false);
    await stage.peer.startRing(0);
    expect(stage.ring(0).started).toBe(true);
    await stage.peer.ack(VHOST_USER.RESET_DEVICE);
    expect(stage.ring(0).started).toBe(false);
  });
});
