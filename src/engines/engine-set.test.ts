// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PEER_BYTES, PEER_GPA, RemotePeer } from '../../test/support/remote-peer.ts';
import { native, type QueueHandle } from '../native.ts';
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

  it('regression: give back what they took when there are not enough queues', () => {
    takeAll();
    for (const queue of held.splice(-3)) native.queueDestroy(queue);
    expect(() => new EngineSet(new FakeCarrier(), 2, () => {})).toThrow(/ENOSPC/);
    expect(takeAll()).toBe(3);
  });
});

describe('engines over a carrier', () => {
  const SECTION = 7;
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
    engines.begin(memory, 0n);
    engines.startPort({ rx: 1, tx: 1 });
  });
  afterEach(() => {
    engines.destroy();
    peer.close();
  });

  const start = () => {
    engines.setMemory([region]);
    const { desc, avail, used, num } = peer.ring(0);
    engines.setQueues([{ desc, avail, used, num, enabled: true, lastAvailIdx: 0, serial: 0 }]);
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

  it('forget their rings and memory when the carrier is gone', () => {
    carrier.setLink(true);
    start();
    expect(state()).toBe('running');
    carrier.remove();
    expect([state(), engines.engine('tx', 0).ringSize, memory.table]).toEqual(['stopped', 0, null]);
  });

  it('take no memory that the peer alone may write, and name its window', () => {
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
