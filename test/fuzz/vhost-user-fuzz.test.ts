// SPDX-License-Identifier: BSD-3-Clause
// A front-end with almost valid messages against the device model's back-end: whatever it sends, the message
// is answered or the connection closed, no descriptor leaks, and the next front-end is served.
import { openSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VHOST_USER } from '../../src/abi/vhost-user.ts';
import { native } from '../../src/native.ts';
import { logTo } from '../../tools/device/log.ts';
import { join, u32s, u64s, vhostUserMessage } from '../../tools/device/test-help/channel.test-help.ts';
import {
  ALL_PROTOCOL,
  GPA,
  NET_AND_PROTOCOL,
  TestPeer,
  USER,
} from '../../tools/device/test-help/peer.test-help.ts';
import { type ConnectionHost, VhostUserConnection } from '../../tools/device/vhost-user/connection.ts';
import { openFds } from '../support/open-fds.ts';
import { until } from '../support/wait.ts';
import { Disorder, fuzzSessions } from './mutator.ts';

const SESSIONS = fuzzSessions(20);
const MESSAGES = 40;
const NEED_REPLY = 8;

/** Descriptors of every kind that a peer may attach. */
let things: number[];
let closed: string[];

beforeAll(() => {
  things = [
    native.eventfd(),
    native.memfdCreate('fuzz', 1 << 20, false),
    openSync('/dev/null', 'r+'),
    openSync('/dev/zero', 'r'),
    ...native.socketPair(),
  ];
});
afterAll(() => {
  for (const fd of things) native.close(fd);
});

/** Error codes of ours, not caused by the peer. */
const faults: unknown[] = [];
afterAll(() => expect(faults).toEqual([]));

function connectionOn(fd: number): VhostUserConnection {
  const host: ConnectionHost = {
    offeredFeatures: NET_AND_PROTOCOL,
    acceptFeatures: () => {},
    // Sometimes at once, sometimes later: a real driver takes its time.
    session: { stopRings: () => new Promise((resolve) => setImmediate(resolve)) },
    kicks: { watch: () => {}, unwatch: () => {} },
    changed: () => {},
    closed: (reason) => closed.push(reason),
    onFault: (error) => faults.push(error),
    introduced: () => {},
    refused: () => {},
    log: logTo(() => {}, false),
  };
  return new VhostUserConnection(fd, 2, host);
}

type Legal = readonly [request: number, payload: Uint8Array, fds: readonly number[]];

/** What a front-end may send, in any order. */
function legal(peer: TestPeer, ring: number): Legal[] {
  const [event, memory] = things as [number, number];
  const none = new Uint8Array(0);
  const index = BigInt(ring);
  return [
    [VHOST_USER.SET_OWNER, none, []],
    [VHOST_USER.GET_FEATURES, none, []],
    [VHOST_USER.SET_FEATURES, u64s(NET_AND_PROTOCOL), []],
    [VHOST_USER.GET_PROTOCOL_FEATURES, none, []],
    [VHOST_USER.SET_PROTOCOL_FEATURES, u64s(ALL_PROTOCOL), []],
    [VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), peer.region()), [memory]],
    [
      VHOST_USER.SET_MEM_TABLE,
      join(u32s(2, 0), peer.region(GPA, 4096n), peer.region(GPA + 8192n, 4096n, USER + 8192n, 8192n)),
      [memory, memory],
    ],
    [
      VHOST_USER.ADD_MEM_REG,
      join(u64s(0n), peer.region(GPA + (1n << 30n), 4096n, USER + (1n << 30n))),
      [memory],
    ],
    [VHOST_USER.REM_MEM_REG, join(u64s(0n), peer.region(GPA + (1n << 30n), 4096n, USER + (1n << 30n))), []],
    [VHOST_USER.SET_VRING_NUM, u32s(ring, 256), []],
    [VHOST_USER.SET_VRING_BASE, u32s(ring, 0), []],
    [VHOST_USER.SET_VRING_ADDR, peer.addresses(ring), []],
    [VHOST_USER.SET_VRING_KICK, u64s(index), [event]],
    [VHOST_USER.SET_VRING_CALL, u64s(index), [event]],
    [VHOST_USER.SET_VRING_ERR, u64s(index), [event]],
    [VHOST_USER.SET_VRING_ENABLE, u32s(ring, 1), []],
    [VHOST_USER.GET_VRING_BASE, u32s(ring, 0), []],
    [VHOST_USER.GET_QUEUE_NUM, none, []],
    [VHOST_USER.GET_MAX_MEM_SLOTS, none, []],
    [VHOST_USER.SET_STATUS, u64s(15n), []],
    [VHOST_USER.GET_STATUS, none, []],
    [VHOST_USER.RESET_DEVICE, none, []],
  ];
}

/** One message: valid, changed, or with other descriptors. */
function next(chaos: Disorder, peer: TestPeer): readonly [Uint8Array, readonly number[]] {
  const [request, payload, fds] = chaos.pick(legal(peer, chaos.below(4)));
  // With acknowledgements, a mistake does not end the session.
  const flags = chaos.chance(95) ? 1 | NEED_REPLY : chaos.below(16);
  const body = chaos.chance(60) ? chaos.mutate(payload) : payload;
  const message = vhostUserMessage(chaos.chance(95) ? request : chaos.below(64), body, flags);
  const others = Array.from({ length: chaos.below(10) }, () => chaos.pick(things));
  return [chaos.chance(2) ? chaos.mutate(message) : message, chaos.chance(80) ? fds : others];
}

async function session(seed: number): Promise<void> {
  const chaos = new Disorder(seed);
  const [a, b] = native.socketPair();
  closed = [];
  const connection = connectionOn(b);
  const peer = new TestPeer(a);
  await peer.negotiate();
  if (chaos.chance(50)) await peer.start();
  for (let i = 0; i < MESSAGES && peer.channel.closedBecause === null; i++) {
    const [message, fds] = next(chaos, peer);
    for (const [at, piece] of chaos.cut(message).entries()) peer.channel.send(piece, at === 0 ? fds : []);
    if (chaos.chance(30)) await new Promise((resolve) => setImmediate(resolve));
  }
  peer.close();
  await until('the back-end has seen the end', () => closed.length > 0);
  expect(closed).toHaveLength(1);
  expect(closed[0]).not.toMatch(/internal error/);
  expect(connection.closed).toBe(true);
}

describe('almost valid vhost-user messages', () => {
  it(`${SESSIONS} sessions of ${MESSAGES} are closed or answered and leave nothing`, {
    timeout: 600_000,
  }, async () => {
    const before = openFds();
    for (let seed = 1; seed <= SESSIONS; seed++) {
      await session(seed).catch((error: Error) => {
        throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
      });
      await until(`no descriptor is left of seed ${seed}`, () => openFds() <= before);
    }
  });

  it('a valid front-end is served afterwards', async () => {
    const [a, b] = native.socketPair();
    const connection = connectionOn(b);
    const peer = new TestPeer(a);
    await peer.start();
    expect(connection.peer.ready).toBe(true);
    peer.close();
    connection.close('the test is done');
  });
});
