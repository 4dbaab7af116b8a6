// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { frameWithHeader, PEER_BYTES, PEER_GPA, RemotePeer } from '../../test/support/remote-peer.ts';
import { VIRTIO_NET_F_MRG_RXBUF } from '../abi/virtio-net.ts';
import { VIRTIO_F_VERSION_1 } from '../abi/virtio-ring.ts';
import { native, type QueueHandle } from '../native.ts';
import { features } from '../virtio/features.ts';
import { EngineSet } from './engine-set.ts';
import { FakeCarrier } from './fake-carrier.test-help.ts';
import { RemoteMemory } from './remote-memory.ts';

describe('engine set', () => {
  const held: QueueHandle[] = [];

  afterEach(() => {
    for (const queue of held.splice(0)) native.queueDestroy(queue);
  });

  const takeAll = (): number => {
    const before = held.length;
    try {
      for (;;) held.push(native.queueCreate('rx'));
    } catch {
      return held.length - before;
    }
  };

  it('regression: release what they allocated if there are not enough queues', () => {
    takeAll();
    for (const queue of held.splice(-3)) native.queueDestroy(queue);
    const carrier = new FakeCarrier();
    expect(() => new EngineSet(carrier, 2, () => {})).toThrow(/ENOSPC/);
    carrier.close();
    expect(takeAll()).toBe(3);
  });
});

describe('engines over a carrier', () => {
  const SECTION = 7;
  const [TX_RING, RX_RING] = [0, 1];
  const region = { gpa: PEER_GPA, size: BigInt(PEER_BYTES), window: SECTION, offset: 0n };
  let peer: RemotePeer;
  let carrier: FakeCarrier;
  let engines: EngineSet;
  let memory: RemoteMemory;

  beforeEach(() => {
    peer = new RemotePeer();
    carrier = new FakeCarrier();
    carrier.windows.set(SECTION, { fd: peer.fd, size: PEER_BYTES, writable: true });
    engines = new EngineSet(carrier, 1, () => {});
    memory = new RemoteMemory(carrier, {
      remap: true,
      alternate: null,
      maxPeerMemory: null,
      onLost: () => {},
    });
    engines.begin(memory, features(VIRTIO_NET_F_MRG_RXBUF, VIRTIO_F_VERSION_1));
    engines.startPort({ rx: 1, tx: 1 });
  });
  afterEach(() => {
    engines.destroy();
    carrier.close();
    peer.close();
  });

  const start = () => {
    engines.setMemory([region]);
    const records = [TX_RING, RX_RING].map((index) => {
      const { desc, avail, used, num } = peer.ring(index);
      return { desc, avail, used, num, enabled: true, lastAvailIdx: 0, serial: 0 };
    });
    engines.setQueues(records);
  };
  const state = () => engines.engine('tx', 0).state;

  it('run while the carrier has a link', () => {
    start();
    expect(state()).toBe('stopped');
    carrier.setLink(true);
    expect(state()).toBe('running');
    carrier.setLink(false);
    expect(state()).toBe('stopped');
  });

  it('move packets both ways, and signal through the doorbells of their roles', () => {
    const pool = native.poolCreate({ count: 16, dataRoom: 2048, headroom: 128, hugepages: false });
    const vector = native.vectorCreate(pool, 8);
    const { doorbells, rxInterruptFd } = carrier;
    const signalled = () =>
      [doorbells.rx, doorbells.tx, rxInterruptFd].map((fd) => native.eventfdDrain(fd) > 0n);
    start();
    carrier.setLink(true);
    // Each doorbell rings once at the start, in case the last driver died before it signalled; the interrupt
    // wakes a sleeper.
    expect(signalled()).toEqual([true, true, true]);
    peer.post(RX_RING, 16, frameWithHeader(60, 0xab), 0);
    peer.post(TX_RING, 16, null, 0);
    expect(native.rxBurst(engines.engine('rx', 0).queue, vector, 8)).toBe(1);
    expect(signalled()).toEqual([true, false, false]);
    expect(native.txBurst(engines.engine('tx', 0).queue, vector, 0, 1)).toBe(1);
    expect(signalled()).toEqual([false, true, false]);
    expect([...peer.received(TX_RING, 0, 60)]).toEqual(Array(60).fill(0xab));
    expect(native.poolAvailable(pool)).toBe(16);
    native.poolDestroy(pool);
  });

  it('forget their rings and memory when the carrier is gone', () => {
    carrier.setLink(true);
    start();
    expect(state()).toBe('running');
    carrier.remove();
    expect([state(), engines.engine('tx', 0).ringSize, memory.table]).toEqual(['stopped', 0, null]);
  });

  it('refuse memory that only the peer may write, and name its window', () => {
    carrier.windows.set(SECTION, { fd: peer.fd, size: PEER_BYTES, writable: false });
    expect(start).toThrow(
      expect.objectContaining({
        code: 'VPCI_BAD_MEMORY',
        message: 'The device names memory that cannot be written: 1048576 bytes at offset 0 of section 7',
      }),
    );
    expect(memory.table).toBeNull();
  });
});
