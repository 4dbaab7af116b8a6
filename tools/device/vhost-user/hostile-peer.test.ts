// SPDX-License-Identifier: BSD-3-Clause
// Cases of a front-end in docs/hostile-peers.md that no other test covers.
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VHOST_USER } from '../../../src/abi/vhost-user.ts';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { plainMemory } from '../../../test/support/plain-memory.ts';
import { until } from '../../../test/support/wait.ts';
import { logTo } from '../log.ts';
import { join, u32s, u64s, vhostUserMessage } from '../test-help/channel.test-help.ts';
import { GPA, NET_AND_PROTOCOL, TestPeer, USER } from '../test-help/peer.test-help.ts';
import { type ConnectionHost, VhostUserConnection } from './connection.ts';

const TIB = 1n << 40n;

let fdsBefore: number;
let closed: string[];
let stops: number;
let traces: string[];
let connection: VhostUserConnection;
let peer: TestPeer;

function connect(): void {
  closed = [];
  stops = 0;
  traces = [];
  const host: ConnectionHost = {
    maxPeerMemory: Number(2n * TIB),
    offeredFeatures: NET_AND_PROTOCOL,
    acceptFeatures: () => {},
    session: {
      stopRings: async () => {
        stops++;
      },
    },
    kicks: { watch: () => {}, unwatch: () => {} },
    changed: () => {},
    closed: (reason) => closed.push(reason),
    onFault: () => {},
    introduced: () => {},
    refused: (line) => traces.push(line),
    log: logTo(() => {}, false),
  };
  const [a, b] = native.socketPair();
  connection = new VhostUserConnection(b, 2, host);
  peer = new TestPeer(a);
}

beforeEach(() => {
  fdsBefore = openFds();
  connect();
});

afterEach(async () => {
  peer.close();
  connection.close('the test is done');
  await until('no descriptor is left', () => openFds() <= fdsBefore);
});

describe('a hostile front-end', () => {
  it('regression: C1: cannot share memory that cannot be written', async () => {
    await peer.negotiate();
    const readOnly = openSync(`/proc/self/fd/${peer.memory}`, 'r');
    expect(await peer.ack(VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), peer.region()), [readOnly])).not.toBe(
      0n,
    );
    expect(await peer.sendMemory()).toBe(0n);
    closeSync(readOnly);
  });

  it('C5: may share as much memory as is allowed, and is refused with the option that allows more', async () => {
    await peer.negotiate();
    const sparse = plainMemory(0);
    for (const [size, taken] of [
      [2n * TIB, true],
      [2n * TIB + 4096n, false],
    ] as const) {
      ftruncateSync(sparse, Number(size));
      const table = join(u32s(1, 0), peer.region(GPA, size, USER));
      expect((await peer.ack(VHOST_USER.SET_MEM_TABLE, table, [sparse])) === 0n).toBe(taken);
    }
    expect(traces).toContainEqual(
      expect.stringMatching(/memory is \S+, but at most 2T .* --max-peer-memory/),
    );
    expect(await peer.sendMemory()).toBe(0n);
    closeSync(sparse);
  });

  it('C9: may leave in the middle of any message, with its descriptors', async () => {
    const message = vhostUserMessage(VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), peer.region()), 1 | 8);
    for (let cut = 1; cut < message.length; cut++) {
      peer.channel.send(message.subarray(0, cut), [peer.memory]);
      peer.close();
      await until('the back-end has seen it', () => closed.length > 0);
      expect(closed).toEqual(['it disconnected in the middle of a message']);
      await until('no descriptor is left', () => openFds() <= fdsBefore);
      connect();
    }
  });

  it('C10: may switch its rings on and off again and again, and they work afterwards', async () => {
    await peer.start();
    for (let i = 0; i < 1000; i++) {
      peer.post(VHOST_USER.SET_VRING_ENABLE, u32s(i % 2, 0), [], 1);
      peer.post(VHOST_USER.SET_VRING_ENABLE, u32s(i % 2, 1), [], 1);
    }
    expect((await peer.ask(VHOST_USER.GET_FEATURES)).getBigUint64(0, true)).toBe(NET_AND_PROTOCOL);
    expect(connection.peer.ready).toBe(true);
    expect(stops).toBeGreaterThan(0);
  });

  it('C7: may ask again and again for what is not offered: no descriptor is leaked', async () => {
    await peer.negotiate();
    const before = openFds();
    for (let i = 0; i < 500; i++) {
      expect(await peer.ack(VHOST_USER.SET_LOG_BASE, u64s(4096n, 2n ** 64n - 1n), [peer.memory])).not.toBe(
        0n,
      );
      expect(await peer.ack(31, new Uint8Array(20))).not.toBe(0n);
      expect(await peer.ack(32, u64s(0n, 0n, 65535n), [peer.memory])).not.toBe(0n);
      expect(await peer.ack(VHOST_USER.SET_VRING_NUM, u32s(0, 256))).toBe(0n);
    }
    expect(openFds()).toBe(before);
  });
});
