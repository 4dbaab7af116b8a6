// SPDX-License-Identifier: BSD-3-Clause
// The peer against scripted back-ends: what it requires of one, and what it does when one goes away. Traffic
// through a real back-end is in test/peer-dpdk.test.ts.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VHOST_USER, VHOST_USER_F_PROTOCOL_FEATURES } from '../../src/abi/vhost-user.ts';
import { VIRTIO_NET_F_MRG_RXBUF } from '../../src/abi/virtio-net.ts';
import { VIRTIO_F_VERSION_1 } from '../../src/abi/virtio-ring.ts';
import { type FdWatcher, native } from '../../src/native.ts';
import { features } from '../../src/virtio/features.ts';
import { type Script, ScriptedBackEnd, u64Bytes } from '../../test/support/scripted-back-end.ts';
import { until } from '../../test/support/wait.ts';
import { Peer, type PeerEvent } from './driver.ts';
import { availOffset, type PairPlace, planMemory } from './memory-plan.ts';

const NEGOTIATED = features(VIRTIO_F_VERSION_1, VIRTIO_NET_F_MRG_RXBUF);
const FEATURES = NEGOTIATED | features(VHOST_USER_F_PROTOCOL_FEATURES);
let folder = '';
let path = '';
const closers: (() => void | Promise<void>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'peer-'));
  path = join(folder, 's');
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true });
});

/** A back-end process's socket: a scripted back-end for each connection. */
class Server {
  readonly connections: ScriptedBackEnd[] = [];
  readonly #fd = native.unixListen(path);
  readonly #watcher: FdWatcher;

  constructor(script: Script = {}) {
    this.#watcher = native.watchFd(this.#fd, () => {
      const fd = native.unixAccept(this.#fd);
      if (fd >= 0) this.connections.push(backEnd(fd, script));
    });
    closers.push(() => this.close());
  }

  get last(): ScriptedBackEnd {
    return this.connections.at(-1) as ScriptedBackEnd;
  }

  close(): void {
    this.#watcher.close();
    native.close(this.#fd);
    for (const connection of this.connections) connection.close();
    this.close = () => {};
  }
}

function backEnd(fd: number, script: Script = {}): ScriptedBackEnd {
  return new ScriptedBackEnd(fd, { features: FEATURES, protocolFeatures: 9n, queuePairs: 2, script });
}

function createPeer(options: Partial<Peer['options']> = {}): { peer: Peer; events: PeerEvent[] } {
  const peer = new Peer({ path, mode: 'sink', ...options });
  const events: PeerEvent[] = [];
  peer.onEvent = (event) => events.push(event);
  closers.push(() => peer.stop());
  return { peer, events };
}

const openFds = (): number => readdirSync('/proc/self/fd').length;

describe('the peer', () => {
  it('starts the rings of every pair, and at the end stops them and frees all', async () => {
    const server = new Server();
    const { peer, events } = createPeer({ pairs: 2 });
    const before = openFds();
    await peer.start();
    expect(events).toEqual([{ kind: 'up', features: NEGOTIATED }]);
    await peer.stop();
    await peer.stop();
    await until('the back-end sees the end', () => server.last.gone);
    const count = (name: string) => server.last.names.filter((other) => other === name).length;
    expect(['SET_VRING_KICK', 'SET_VRING_ENABLE', 'GET_VRING_BASE'].map(count)).toEqual([4, 8, 4]);
    server.close();
    // The server's listening socket was open before.
    expect(openFds()).toBe(before - 1);
  });

  it('waits as a server for a back-end that connects', async () => {
    const { peer } = createPeer({ server: true });
    const started = peer.start();
    const connection = backEnd(native.unixConnect(path));
    closers.push(() => connection.close());
    await started;
    expect(peer.up).toBe(true);
  });

  it('stops while it waits as a server', async () => {
    const { peer } = createPeer({ server: true });
    const started = peer.start();
    await peer.stop();
    await expect(started).rejects.toMatchObject({ code: 'VPCI_PEER_STOPPED' });
  });

  it('stops in the middle of a negotiation', async () => {
    const server = new Server({ SET_FEATURES: () => 'silence' });
    const { peer } = createPeer({ reconnect: false });
    const started = peer.start().catch((error: Error) => error);
    await until(
      'it hangs',
      () => server.connections.length > 0 && server.last.names.includes('SET_FEATURES'),
    );
    await peer.stop();
    expect(await started).toMatchObject({ code: 'VPCI_BACKEND_CLOSED' });
  });
});

describe('frames that never come back', () => {
  it('are given up after a while and reported as missing', async () => {
    new Server();
    const { peer } = createPeer({ mode: 'both', count: 10, patienceMs: 20 });
    await peer.start();
    await until('they are given up', () => peer.done);
    expect(peer.stats()).toMatchObject({ txPackets: 10, rxPackets: 0, missing: 10 });
  });

  it('do not outnumber the window', async () => {
    new Server();
    const { peer } = createPeer({ mode: 'both', window: 7, patienceMs: 60_000 });
    await peer.start();
    await until('the window is used', () => peer.stats().txPackets === 7);
    expect(peer.done).toBe(false);
  });
});

describe('an attack', () => {
  it('puts a bad entry into the ring and kicks; the peer goes on', async () => {
    const server = new Server();
    const { peer } = createPeer({ mode: 'generate', count: 4 });
    await peer.start();
    await until('the frames are posted', () => peer.stats().txPackets === 4);
    await peer.attack('head-out-of-range', 'tx');
    const { tx } = planMemory({ pairs: 1, queueSize: 256, frameSize: 64, mergeable: true })
      .pairs[0] as PairPlace;
    const fd = server.last.find('SET_MEM_TABLE')?.fds[0] as number;
    const mapping = native.mapFd(fd, 0, tx.buffers, false);
    closers.push(() => native.unmap(mapping));
    const view = new DataView(native.mappingBuffer(mapping));
    expect(view.getUint16(tx.avail + 2, true)).toBe(5);
    expect(view.getUint16(availOffset(tx, 4), true)).toBe(256);
    const kicks = server.last.messages.filter(({ name }) => name === 'SET_VRING_KICK');
    expect(native.eventfdDrain(kicks[1]?.fds[0] as number)).toBeGreaterThan(0n);
    expect(peer.up).toBe(true);
    expect(peer.failure).toBeUndefined();
  });

  it('needs a back-end', async () => {
    const { peer } = createPeer();
    await expect(peer.attack('chain-loop', 'tx')).rejects.toMatchObject({ code: 'VPCI_PEER_DOWN' });
  });
});

describe('a missing or incapable back-end', () => {
  it('a missing socket is one error that names it', async () => {
    const { peer } = createPeer();
    await expect(peer.start()).rejects.toMatchObject({
      code: 'ENOENT',
      message: expect.stringContaining(path),
    });
  });

  it.each([
    ['too few queues', { pairs: 3 }, {}, 'VPCI_QUEUE_COUNT'],
    [
      'no VERSION_1',
      {},
      { GET_FEATURES: () => u64Bytes(VHOST_USER.GET_FEATURES, 1n) },
      'VPCI_BACKEND_FEATURES',
    ],
    [
      'a refused message',
      {},
      { SET_VRING_ADDR: () => u64Bytes(VHOST_USER.SET_VRING_ADDR, 1n) },
      'VPCI_BACKEND_REFUSED',
    ],
    [
      'a hang-up without reconnect',
      { reconnect: false },
      { SET_VRING_NUM: () => 'hang up' },
      'VPCI_BACKEND_GONE',
    ],
  ] as [string, Partial<Peer['options']>, Script, string][])('%s', async (_name, options, script, code) => {
    const server = new Server(script);
    const before = openFds();
    const { peer } = createPeer(options);
    await expect(peer.start()).rejects.toMatchObject({ code });
    expect(peer.up).toBe(false);
    server.close();
    // The server's listening socket was open before.
    expect(openFds()).toBe(before - 1);
  });
});

describe('a back-end that goes away', () => {
  it('is waited for, and the same memory is used again', async () => {
    const first = new Server();
    const { peer, events } = createPeer();
    await peer.start();
    const inode = (server: Server) =>
      native.fileInfo(server.last.find('SET_MEM_TABLE')?.fds[0] as number).inode;
    const memory = inode(first);
    first.close();
    await until('it is reported', () => events.length === 2);
    expect(events[1]).toMatchObject({ kind: 'down', reason: { code: 'VPCI_BACKEND_GONE' } });
    const second = new Server();
    await until('it is back', () => peer.up);
    expect(events.at(-1)).toMatchObject({ kind: 'up' });
    expect(inode(second)).toBe(memory);
  });

  it('during the first negotiation is tried again', async () => {
    let refusals = 1;
    const server = new Server({
      SET_VRING_ADDR: () => (refusals-- > 0 ? 'hang up' : u64Bytes(VHOST_USER.SET_VRING_ADDR, 0n)),
    });
    const { peer } = createPeer();
    await peer.start();
    expect(peer.up).toBe(true);
    expect(server.connections).toHaveLength(2);
  });

  it('ends the peer when reconnecting is off', async () => {
    const server = new Server();
    const { peer } = createPeer({ reconnect: false });
    await peer.start();
    server.close();
    await until('the peer has failed', () => peer.failure !== undefined);
    expect(peer.failure).toMatchObject({ code: 'VPCI_BACKEND_GONE' });
  });

  it('may never return: stop() ends the waiting', async () => {
    const server = new Server();
    const { peer, events } = createPeer();
    await peer.start();
    server.close();
    await until('it is reported', () => events.length === 2);
    await peer.stop();
    expect(peer.up).toBe(false);
  });
});
