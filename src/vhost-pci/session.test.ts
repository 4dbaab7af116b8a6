// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import {
  DISABLED,
  linkReason,
  message,
  NET_FEATURES,
  NONSENSE,
  PEER_FEATURES,
  packedMemory,
  peerFeatures,
  placedMemory,
  queueStop,
  remoteQueues,
} from '../../test/support/fake-vhost-pci.ts';
import { frameWithHeader, PEER_BYTES, PEER_GPA, RemotePeer } from '../../test/support/remote-peer.ts';
import { until } from '../../test/support/wait.ts';
import { VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_LINK_REASON } from '../abi/vhost-pci.ts';
import { RX_RING, TX_RING, useRig } from './device.test-help.ts';

describe('a vhost-pci session', () => {
  const rig = useRig();

  describe('rings and memory', () => {
    it('starts the engines when memory, rings and link are present', () => {
      rig.open();
      rig.offerMemory(rig.peer);
      rig.fake.send(peerFeatures(PEER_FEATURES));
      rig.fake.send(placedMemory([rig.region]));
      rig.fake.send(remoteQueues(rig.rings()));
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['stopped', 'stopped']);
      rig.fake.setLink(true);
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['running', 'running']);
      expect(rig.links).toEqual([true]);
      expect(rig.device.remoteBytes).toBe(BigInt(PEER_BYTES));
      expect(rig.reports).toEqual([]);
    });

    it('handles messages and a link that arrived before interrupts were armed', async () => {
      rig.open();
      rig.offerMemory(rig.peer);
      const chain = rig.fake.nextBuffer();
      chain.segments[0]?.bytes.set(NONSENSE);
      rig.fake.control.give(chain.head, 4);
      rig.fake.linkUp = true;
      await until('both are seen', () => rig.device.linkUp && rig.device.invalidMessages === 1);
    });

    it('starts from the index of the record', () => {
      rig.open();
      rig.peer.setAvailIdx(RX_RING, 5);
      rig.connect([rig.peer.ring(TX_RING), rig.peer.ring(RX_RING, 16, { last: 5 })]);
      expect(rig.receive()).toBe(0);
      rig.fake.send(queueStop(RX_RING, 1));
      expect([...(rig.fake.collectAnswers()[0] ?? [])].slice(4, 8)).toEqual([RX_RING, 0, 5, 0]);
    });

    it('answers QUEUE_STOP with the index that the engine reached', () => {
      rig.open();
      rig.connect();
      for (let slot = 0; slot < 3; slot++) rig.peer.post(RX_RING, 16, frameWithHeader(60, slot), slot);
      expect(rig.receive()).toBe(3);
      rig.fake.send(queueStop(RX_RING, 0x1234_5678));
      expect(rig.state('rx')).toBe('stopped');
      expect(rig.state('tx')).toBe('running');
      const [answer = new Uint8Array(0)] = rig.fake.collectAnswers();
      expect([...answer]).toEqual([2, 2, 12, 0, RX_RING, 0, 3, 0, 0x78, 0x56, 0x34, 0x12]);
      rig.fake.send(queueStop(RX_RING, 2));
      expect(rig.fake.collectAnswers()[0]?.[6]).toBe(3);
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 3), 3);
      expect(rig.receive()).toBe(0);
      rig.fake.send(remoteQueues([rig.peer.ring(TX_RING), rig.peer.ring(RX_RING, 16, { last: 3 })]));
      expect(rig.receive()).toBe(1);
    });

    it('replies to more stops than it has buffers', () => {
      rig.open();
      rig.connect();
      for (let token = 0; token < 20; token++) rig.fake.send(queueStop(0, token));
      const tokens: number[] = [];
      for (let round = 0; round < 3; round++) {
        tokens.push(...rig.fake.collectAnswers().map((answer) => answer[8] ?? -1));
        rig.fake.raise(1);
      }
      expect(tokens).toEqual(Array.from({ length: 20 }, (_, token) => token));
    });

    it('continues at its position when another ring changes', () => {
      rig.open();
      rig.connect();
      for (let slot = 0; slot < 2; slot++) rig.peer.post(RX_RING, 16, frameWithHeader(60, slot), slot);
      expect(rig.receive()).toBe(2);
      rig.fake.send(remoteQueues([DISABLED, rig.peer.ring(RX_RING)]));
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['running', 'stopped']);
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 2), 2);
      expect(rig.receive()).toBe(1);
      expect(rig.peer.usedIdx(RX_RING)).toBe(3);
    });

    it.each([
      ['its addresses', {}],
      ['only zeros', DISABLED],
    ])('continues at its position after the ring was disabled, with %s, and enabled', (_, off) => {
      rig.open();
      rig.connect();
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 0), 0);
      expect(rig.receive()).toBe(1);
      rig.fake.send(remoteQueues([rig.peer.ring(TX_RING), { ...rig.peer.ring(RX_RING), ...off, enable: 0 }]));
      expect(rig.state('rx')).toBe('stopped');
      rig.fake.send(remoteQueues(rig.rings()));
      expect(rig.receive()).toBe(0);
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 1), 1);
      expect(rig.receive()).toBe(1);
    });

    it('continues at its position when the memory is sent again', () => {
      rig.open();
      rig.connect();
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 0), 0);
      expect(rig.receive()).toBe(1);
      rig.fake.send(placedMemory([rig.region]));
      expect([rig.state('rx'), rig.fake.mapped]).toEqual(['stopped', 2]);
      rig.fake.send(remoteQueues(rig.rings()));
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 1), 1);
      expect(rig.receive()).toBe(1);
      expect(rig.peer.usedIdx(RX_RING)).toBe(2);
    });

    it('survives the death of the peer, and serves the next one from another file', () => {
      rig.open();
      rig.connect();
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 0), 0);
      expect(rig.receive()).toBe(1);
      rig.fake.setLink(false);
      rig.fake.send(remoteQueues([DISABLED, DISABLED]));
      rig.fake.send(placedMemory([]));
      expect([rig.state('rx'), rig.state('tx'), rig.device.remoteBytes]).toEqual(['stopped', 'stopped', 0n]);
      expect(rig.receive()).toBe(0);
      const first = rig.peer;
      rig.peer = new RemotePeer();
      rig.connect();
      expect(rig.links).toEqual([true, false, true]);
      rig.peer.post(RX_RING, 16, frameWithHeader(60, 9), 0);
      expect(rig.receive()).toBe(1);
      expect([first.usedIdx(RX_RING), rig.peer.usedIdx(RX_RING)]).toEqual([1, 1]);
      first.close();
    });

    it('quiesces the engines while the link is down', () => {
      rig.open();
      rig.connect();
      rig.fake.setLink(false);
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['stopped', 'stopped']);
      rig.fake.setLink(true);
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['running', 'running']);
    });
  });

  describe('messages', () => {
    it('reports why the link is down, after the link change, until it is back', () => {
      rig.open();
      expect(rig.device.linkReason).toBe('waiting for the device');
      rig.fake.send(linkReason('no peer is connected'));
      expect(rig.why).toEqual(['no peer is connected']);
      rig.connect();
      expect(rig.device.linkReason).toBe('');
      rig.onLink = () => expect(rig.why).toHaveLength(1);
      rig.fake.send(linkReason('the peer has stopped'));
      rig.fake.setLink(false);
      expect(rig.links).toEqual([true, false]);
      expect(rig.why).toEqual(['no peer is connected', 'the peer has stopped']);
      rig.fake.setLink(true);
      rig.fake.setLink(false);
      expect(rig.device.linkReason).toBe('the device has not reported a reason');
    });

    it('shows the reason of the device as one printable line of limited length', () => {
      rig.open();
      rig.fake.send(linkReason('a\n\x1b[2Jb\u202ec\u2028d é\x07'));
      expect(rig.device.linkReason).toBe('a??[2Jb?c?d é?');
      rig.fake.send(
        message(VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_LINK_REASON, Uint8Array.of(0x61, 0xff, 0xc3)),
      );
      expect(rig.device.linkReason).toBe('a??');
      rig.fake.send(linkReason('x'.repeat(257)));
      expect(rig.device.linkReason).toBe('a??');
      expect(rig.reports).toEqual([expect.stringContaining('LINK_REASON of 257 bytes')]);
    });

    it('ignores and counts malformed messages', () => {
      rig.open();
      rig.connect();
      rig.fake.send(message(7, 7, new Uint8Array(0)));
      rig.fake.send(queueStop(9, 9));
      rig.fake.send(placedMemory([{ ...rig.region, size: 0n }]));
      rig.fake.send(new Uint8Array(0));
      expect(rig.device.invalidMessages).toBe(4);
      expect(rig.reports).toHaveLength(4);
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['running', 'running']);
    });

    it.each([
      ['beyond the BAR', { size: BigInt(PEER_BYTES) + 1n }],
      ['at an offset beyond', { offset: 4096n }],
      ['in a BAR that is absent', { bar: 4 }],
    ])('refuses memory %s: the rings rest', (_, change) => {
      rig.open();
      rig.connect();
      rig.fake.send(placedMemory([{ ...rig.region, ...change }]));
      rig.fake.send(remoteQueues(rig.rings()));
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['stopped', 'stopped']);
      expect(rig.reports[0]).toMatch(/memory that it does not offer/);
      expect(rig.device.invalidMessages).toBe(1);
    });

    it('does not let a flood of messages block the event loop', async () => {
      rig.open();
      for (let count = 0; count < 24; count++) {
        const chain = rig.fake.nextBuffer();
        chain.segments[0]?.bytes.set(NONSENSE);
        rig.fake.control.give(chain.head, 4);
      }
      rig.fake.raise(1);
      await until('all are taken', () => rig.device.invalidMessages === 24);
    });
  });

  describe('bare reference', () => {
    it('has rings of 256 entries in packed memory, with the features of the device', () => {
      rig.open({ features: NET_FEATURES });
      rig.offerMemory(rig.peer);
      rig.fake.send(packedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES) }]));
      rig.fake.send(remoteQueues([rig.peer.ring(0, 256, { num: 0 }), rig.peer.ring(1, 256, { num: 1 })]));
      rig.fake.setLink(true);
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['running', 'running']);
      expect(rig.device.engine('rx', 0).ringSize).toBe(256);
      expect(rig.device.peerFeatures).toBe(NET_FEATURES);
    });

    it('maps its BAR once', () => {
      rig.open({ features: NET_FEATURES });
      rig.offerMemory(rig.peer);
      for (let time = 0; time < 2; time++)
        rig.fake.send(packedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES) }]));
      expect(rig.fake.mapped).toBe(1);
    });
  });
});
