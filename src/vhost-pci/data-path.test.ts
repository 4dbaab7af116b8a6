// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { PEER_FEATURES, remoteQueues } from '../../test/support/fake-vhost-pci.ts';
import { frameWithHeader } from '../../test/support/remote-peer.ts';
import { VIRTIO_F_RING_EVENT_IDX } from '../abi/virtio-ring.ts';
import { native } from '../native.ts';
import { features } from '../virtio/features.ts';
import { RX_RING, TX_RING, useRig } from './device.test-help.ts';

describe('the data path of a vhost-pci function', () => {
  const rig = useRig();

  describe('engines', () => {
    it('moves packets both ways', () => {
      rig.open();
      rig.connect();
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 0xab), 0);
      expect(rig.receive()).toBe(1);
      expect(rig.peer.usedIdx(RX_RING)).toBe(1);
      rig.peer.post(TX_RING, 16, null, 0);
      const layout = native.poolLayout(rig.pool);
      const memory = native.poolBuffer(rig.pool);
      native.poolAlloc(rig.vector, 1);
      const [mbuf = 0] = new Uint32Array(memory, native.vectorOffset(rig.vector), 1);
      new Uint16Array(memory, layout.dataLen, layout.count)[mbuf] = 60;
      new Uint32Array(memory, layout.pktLen, layout.count)[mbuf] = 60;
      new Uint8Array(memory, layout.data + mbuf * layout.stride + layout.headroom, 60).fill(0xcd);
      expect(native.txBurst(rig.device.engine('tx', 0).queue, rig.vector, 0, 1)).toBe(1);
      expect([...rig.peer.received(TX_RING, 0, 60)]).toEqual(Array(60).fill(0xcd));
      expect(native.poolAvailable(rig.pool)).toBe(64);
    });

    it('runs engines only while the port is started, and only those it uses', () => {
      rig.open({ queuePairs: 2 });
      rig.device.stopPort();
      const four = [...rig.rings(), rig.peer.ring(2), rig.peer.ring(3)];
      rig.connect(four);
      expect(rig.state('rx')).toBe('stopped');
      rig.device.startPort({ rx: 1, tx: 2 });
      expect([rig.state('rx', 0), rig.state('rx', 1), rig.state('tx', 0), rig.state('tx', 1)]).toEqual([
        'running',
        'stopped',
        'running',
        'running',
      ]);
      rig.device.stopPort();
      expect(rig.state('tx', 1)).toBe('stopped');
    });

    it('leaves out a ring that cannot be started, and reports it once', () => {
      rig.open();
      rig.connect([rig.peer.ring(TX_RING, 16, { used: 0xdead_0000_0000n }), rig.peer.ring(RX_RING)]);
      expect([rig.state('tx'), rig.state('rx')]).toEqual(['failed', 'running']);
      expect(rig.device.engine('tx', 0).startErrors).toBe(1);
      rig.fake.setLink(false);
      rig.fake.setLink(true);
      expect(rig.reports).toEqual([expect.stringMatching(/^Failed to start TX engine 0/)]);
      rig.fake.send(remoteQueues(rig.rings()));
      expect(rig.state('tx')).toBe('running');
    });

    it.each([0, 3, 65_536])('does not start a ring of %i entries', (size) => {
      rig.open();
      rig.connect([rig.peer.ring(TX_RING, 16), rig.peer.ring(RX_RING, 16, { num: size })]);
      expect([rig.state('tx'), rig.state('rx')]).toEqual(['running', 'failed']);
    });

    it('stops only the ring that violates the rules', () => {
      rig.open();
      rig.connect();
      rig.peer.setAvailIdx(RX_RING, 1000);
      rig.receive();
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['broken', 'running']);
    });
  });

  describe('doorbells', () => {
    it("rings the peer's crossed doorbells", () => {
      rig.open();
      rig.connect();
      rig.rung(0);
      rig.rung(1);
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 1), 0);
      expect(rig.receive()).toBe(1);
      expect([rig.rung(0), rig.rung(1)]).toEqual([1n, 0n]);
    });

    it('regression: signals the peer when a ring starts, as the last driver may have died before it signalled', () => {
      rig.open();
      // One entry was used and passed the event index, which requested a call: the next entry does not pass
      // it.
      rig.peer.setAvailIdx(RX_RING, 1);
      const eventIdx = PEER_FEATURES | features(VIRTIO_F_RING_EVENT_IDX);
      rig.connect([rig.peer.ring(TX_RING), rig.peer.ring(RX_RING, 16, { last: 1 })], eventIdx);
      expect([rig.rung(0), rig.rung(1)]).toEqual([1n, 1n]);
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 1), 1);
      expect(rig.receive()).toBe(1);
      expect(rig.rung(0)).toBe(0n);
    });
  });

  describe('RX interrupts', () => {
    const woken = () => native.eventfdDrain(rig.device.interruptFd(0)) > 0n;

    it("are the vectors of the local RX queues, for other threads than this one's event loop", () => {
      rig.open({ queuePairs: 2 });
      expect([0, 1, 2].map((pair) => rig.device.interruptFd(pair))).toEqual([
        rig.fake.interruptFds.get(2),
        rig.fake.interruptFds.get(4),
        -1,
      ]);
      expect([rig.fake.queues[0]?.vector, rig.fake.queues[2]?.vector]).toEqual([2, 4]);
    });

    it('wake a sleeper when its engine starts, and when the link changes', () => {
      rig.open();
      rig.connect();
      expect([rig.state('rx'), woken(), woken()]).toEqual(['running', true, false]);
      rig.fake.setLink(false);
      expect(woken()).toBe(true);
      rig.fake.setLink(true);
      expect([rig.state('rx'), woken()]).toEqual(['running', true]);
      rig.device.stopPort();
      expect(woken()).toBe(false);
      rig.device.startPort({ rx: 1, tx: 1 });
      expect([rig.state('rx'), woken()]).toEqual(['running', true]);
    });

    it('wake a sleeper when the device is gone', () => {
      rig.open();
      rig.connect();
      woken();
      rig.fake.remove('unplugged');
      expect(woken()).toBe(true);
    });

    it('start polled: the peer is asked for kicks only while a thread sleeps', () => {
      rig.open();
      rig.connect();
      const flags = () => rig.peer.view.getUint16(RX_RING * 0x4000 + 0x3000, true);
      const { queue } = rig.device.engine('rx', 0);
      expect(flags()).toBe(1);
      expect([native.queueArm(queue), flags()]).toEqual([true, 0]);
      rig.fake.setLink(false);
      rig.fake.setLink(true);
      expect(flags()).toBe(1);
    });
  });
});
