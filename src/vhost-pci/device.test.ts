// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEVICE_OFFSET } from '../../test/support/config-space.ts';
import {
  DISABLED,
  type FakeOptions,
  FakeVhostPci,
  linkReason,
  message,
  packedMemory,
  peerFeatures,
  placedMemory,
  queueStop,
  type RingRecord,
  remoteQueues,
} from '../../test/support/fake-vhost-pci.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { frameWithHeader, PEER_BYTES, PEER_GPA, RemotePeer } from '../../test/support/remote-peer.ts';
import { until } from '../../test/support/wait.ts';
import { native, type PoolHandle, type VectorHandle } from '../native.ts';
import { features } from '../virtio/features.ts';
import { VhostPciDevice } from './device.ts';

const NET = features(15, 28, 32, 35);
const SESSION = features(112);
const REMAP = features(113);
const PEER_FEATURES = features(15, 32);
const RX_RING = 1;
const TX_RING = 0;

describe('vhost-pci device', () => {
  let before: number;
  let fake: FakeVhostPci;
  let device: VhostPciDevice;
  let peer: RemotePeer;
  let pool: PoolHandle;
  let vector: VectorHandle;
  let reports: string[];
  let links: boolean[];
  /** What was reported of the link, in words. */
  let why: string[];
  let removals: number;
  /** Done by the application when the link changes. */
  let onLink: () => void;

  const open = (options: Partial<FakeOptions> = {}) => {
    fake = new FakeVhostPci({ features: NET | SESSION | REMAP, ...options });
    reports = [];
    links = [];
    why = [];
    removals = 0;
    onLink = () => {};
    device = new VhostPciDevice(fake, {
      onLink: () => {
        links.push(device.linkUp);
        onLink();
      },
      onLinkReason: () => why.push(device.linkReason),
      onRemoved: () => removals++,
      report: (line) => {
        // How fast a busy machine reads is no matter of these tests.
        if (!line.includes('mapped uncached')) reports.push(line);
      },
    });
    device.startPort({ rx: device.queuePairs, tx: device.queuePairs });
  };
  const offerMemory = (from: RemotePeer) => fake.memoryBars.set(2, { fd: from.fd, size: PEER_BYTES });
  const region = { gpa: PEER_GPA, size: BigInt(PEER_BYTES), offset: 0n };
  const rings = (): RingRecord[] => [peer.ring(TX_RING), peer.ring(RX_RING)];
  /** Step 1 of SESSION in docs/device-abi.md. */
  const connect = (records = rings(), negotiated = PEER_FEATURES) => {
    offerMemory(peer);
    fake.send(peerFeatures(negotiated));
    fake.send(placedMemory([region]));
    fake.send(remoteQueues(records));
    fake.setLink(true);
  };
  /** How often the doorbell of a local queue rang since the last look. */
  const rung = (queue: number) => native.eventfdDrain(fake.doorbells.get(queue) ?? -1);
  const state = (role: 'rx' | 'tx', pair = 0) => device.engine(role, pair).state;
  const receive = () => {
    const count = native.rxBurst(device.engine('rx', 0).queue, vector, 32);
    native.poolFree(vector, 0, count);
    return count;
  };

  beforeEach(() => {
    before = openFds();
    peer = new RemotePeer();
    pool = native.poolCreate({ count: 64, dataRoom: 2048, headroom: 128, hugepages: false });
    vector = native.vectorCreate(pool, 32);
  });

  afterEach(() => {
    device.close();
    device.close();
    expect(fake.closed).toBe(true);
    native.poolDestroy(pool);
    peer.close();
    expect(openFds()).toBe(before);
  });

  describe('probe', () => {
    it('sets the queues up and is live', () => {
      open({ queuePairs: 2 });
      expect(fake.status).toBe(1 | 2 | 4 | 8);
      expect(fake.driverFeatures).toBe(NET | SESSION | REMAP);
      expect(fake.queues.map(({ size, vector, enabled }) => [size, vector, enabled])).toEqual([
        [256, 2, 1],
        [256, 3, 1],
        [256, 4, 1],
        [256, 5, 1],
        [32, 1, 1],
      ]);
      expect(fake.control.pending).toBe(24);
      expect(fake.notified).toEqual([4]);
      expect(device.linkUp).toBe(false);
    });

    it('does not ask for REMAP on a road that cannot map again', () => {
      open({ canRemap: false });
      expect(fake.driverFeatures).toBe(NET | SESSION);
    });

    it('names the ids of a function that is another', () => {
      open();
      const other = new FakeVhostPci({ features: NET });
      other.configView.setUint16(2, 0x1041, true);
      const events = { onLink: () => {}, onLinkReason: () => {}, onRemoved: () => {}, report: () => {} };
      expect(() => new VhostPciDevice(other, events)).toThrow(
        expect.objectContaining({
          code: 'VPCI_WRONG_DEVICE',
          message: expect.stringContaining('1af4:1041 class 020000'),
        }),
      );
      expect(other.closed).toBe(true);
    });

    it('gives the function back when it lacks what is needed', () => {
      open();
      const events = { onLink: () => {}, onLinkReason: () => {}, onRemoved: () => {}, report: () => {} };
      const legacy = new FakeVhostPci({ features: features(15) });
      expect(() => new VhostPciDevice(legacy, events)).toThrow(/lacks features/);
      expect(legacy.closed).toBe(true);
      const strange = new FakeVhostPci({ features: NET, queueSize: 3 });
      expect(() => new VhostPciDevice(strange, events)).toThrow(/offers 3 entries for queue 0/);
      expect(strange.closed).toBe(true);
    });
  });

  describe('session', () => {
    it('starts the engines when memory, rings and link are there', () => {
      open();
      offerMemory(peer);
      fake.send(peerFeatures(PEER_FEATURES));
      fake.send(placedMemory([region]));
      fake.send(remoteQueues(rings()));
      expect([state('rx'), state('tx')]).toEqual(['stopped', 'stopped']);
      fake.setLink(true);
      expect([state('rx'), state('tx')]).toEqual(['running', 'running']);
      expect(links).toEqual([true]);
      expect(device.remoteBytes).toBe(BigInt(PEER_BYTES));
      expect(reports).toEqual([]);
    });

    it('takes messages and a link that came before interrupts were armed', async () => {
      open();
      offerMemory(peer);
      const chain = fake.nextBuffer();
      chain.segments[0]?.bytes.set(message(9, 9, new Uint8Array(0)));
      fake.control.give(chain.head, 4);
      fake.linkUp = true;
      await until('both are seen', () => device.linkUp && device.invalidMessages === 1);
    });

    it('moves packets both ways', () => {
      open();
      connect();
      peer.post(RX_RING, 16, frameWithHeader(60, 0xab), 0);
      expect(receive()).toBe(1);
      expect(peer.usedIdx(RX_RING)).toBe(1);
      peer.post(TX_RING, 16, null, 0);
      const layout = native.poolLayout(pool);
      const memory = native.poolBuffer(pool);
      native.poolAlloc(vector, 1);
      const [mbuf = 0] = new Uint32Array(memory, native.vectorOffset(vector), 1);
      new Uint16Array(memory, layout.dataLen, layout.count)[mbuf] = 60;
      new Uint32Array(memory, layout.pktLen, layout.count)[mbuf] = 60;
      new Uint8Array(memory, layout.data + mbuf * layout.stride + layout.headroom, 60).fill(0xcd);
      expect(native.txBurst(device.engine('tx', 0).queue, vector, 0, 1)).toBe(1);
      expect([...peer.received(TX_RING, 0, 60)]).toEqual(Array(60).fill(0xcd));
      expect(native.poolAvailable(pool)).toBe(64);
    });

    it("rings the peer's crossed doorbells", () => {
      open();
      connect();
      rung(0);
      rung(1);
      peer.post(RX_RING, 16, frameWithHeader(60, 1), 0);
      expect(receive()).toBe(1);
      expect([rung(0), rung(1)]).toEqual([1n, 0n]);
    });

    it('regression: tells the peer when a ring starts, whose last driver may have died before it told', () => {
      open();
      // One entry was used, and the event index that it passed asked to be told of it: the next one does not pass it.
      peer.setAvailIdx(RX_RING, 1);
      const eventIdx = features(15, 29, 32);
      connect([peer.ring(TX_RING), peer.ring(RX_RING, 16, { last: 1 })], eventIdx);
      expect([rung(0), rung(1)]).toEqual([1n, 1n]);
      peer.post(RX_RING, 16, frameWithHeader(60, 1), 1);
      expect(receive()).toBe(1);
      expect(rung(0)).toBe(0n);
    });

    it('starts from the index of the record', () => {
      open();
      peer.setAvailIdx(RX_RING, 5);
      connect([peer.ring(TX_RING), peer.ring(RX_RING, 16, { last: 5 })]);
      expect(receive()).toBe(0);
      fake.send(queueStop(RX_RING, 1));
      expect([...(fake.collectAnswers()[0] ?? [])].slice(4, 8)).toEqual([RX_RING, 0, 5, 0]);
    });

    it('answers QUEUE_STOP with the index that the engine reached', () => {
      open();
      connect();
      for (let slot = 0; slot < 3; slot++) peer.post(RX_RING, 16, frameWithHeader(60, slot), slot);
      expect(receive()).toBe(3);
      fake.send(queueStop(RX_RING, 0x1234_5678));
      expect(state('rx')).toBe('stopped');
      expect(state('tx')).toBe('running');
      const [answer = new Uint8Array(0)] = fake.collectAnswers();
      expect([...answer]).toEqual([2, 2, 12, 0, RX_RING, 0, 3, 0, 0x78, 0x56, 0x34, 0x12]);
      fake.send(queueStop(RX_RING, 2));
      expect(fake.collectAnswers()[0]?.[6]).toBe(3);
      peer.post(RX_RING, 16, frameWithHeader(60, 3), 3);
      expect(receive()).toBe(0);
      fake.send(remoteQueues([peer.ring(TX_RING), peer.ring(RX_RING, 16, { last: 3 })]));
      expect(receive()).toBe(1);
    });

    it('answers more stops than it has buffers', () => {
      open();
      connect();
      for (let token = 0; token < 20; token++) fake.send(queueStop(0, token));
      const tokens: number[] = [];
      for (let round = 0; round < 3; round++) {
        tokens.push(...fake.collectAnswers().map((answer) => answer[8] ?? -1));
        fake.raise(1);
      }
      expect(tokens).toEqual(Array.from({ length: 20 }, (_, token) => token));
    });

    it('goes on where it was when another ring changes', () => {
      open();
      connect();
      for (let slot = 0; slot < 2; slot++) peer.post(RX_RING, 16, frameWithHeader(60, slot), slot);
      expect(receive()).toBe(2);
      fake.send(remoteQueues([DISABLED, peer.ring(RX_RING)]));
      expect([state('rx'), state('tx')]).toEqual(['running', 'stopped']);
      peer.post(RX_RING, 16, frameWithHeader(60, 2), 2);
      expect(receive()).toBe(1);
      expect(peer.usedIdx(RX_RING)).toBe(3);
    });

    it.each([
      ['its addresses', {}],
      ['nothing but zeros', DISABLED],
    ])('goes on where it was after the ring was switched off, with %s, and on', (_, off) => {
      open();
      connect();
      peer.post(RX_RING, 16, frameWithHeader(60, 0), 0);
      expect(receive()).toBe(1);
      fake.send(remoteQueues([peer.ring(TX_RING), { ...peer.ring(RX_RING), ...off, enable: 0 }]));
      expect(state('rx')).toBe('stopped');
      fake.send(remoteQueues(rings()));
      expect(receive()).toBe(0);
      peer.post(RX_RING, 16, frameWithHeader(60, 1), 1);
      expect(receive()).toBe(1);
    });

    it('goes on where it was when the memory is told again', () => {
      open();
      connect();
      peer.post(RX_RING, 16, frameWithHeader(60, 0), 0);
      expect(receive()).toBe(1);
      fake.send(placedMemory([region]));
      expect([state('rx'), fake.mapped]).toEqual(['stopped', 2]);
      fake.send(remoteQueues(rings()));
      peer.post(RX_RING, 16, frameWithHeader(60, 1), 1);
      expect(receive()).toBe(1);
      expect(peer.usedIdx(RX_RING)).toBe(2);
    });

    it('survives the death of the peer, and serves the next one from another file', () => {
      open();
      connect();
      peer.post(RX_RING, 16, frameWithHeader(60, 0), 0);
      expect(receive()).toBe(1);
      fake.setLink(false);
      fake.send(remoteQueues([DISABLED, DISABLED]));
      fake.send(placedMemory([]));
      expect([state('rx'), state('tx'), device.remoteBytes]).toEqual(['stopped', 'stopped', 0n]);
      expect(receive()).toBe(0);
      const first = peer;
      peer = new RemotePeer();
      connect();
      expect(links).toEqual([true, false, true]);
      peer.post(RX_RING, 16, frameWithHeader(60, 9), 0);
      expect(receive()).toBe(1);
      expect([first.usedIdx(RX_RING), peer.usedIdx(RX_RING)]).toEqual([1, 1]);
      first.close();
    });

    it('quiesces the engines while the link is down', () => {
      open();
      connect();
      fake.setLink(false);
      expect([state('rx'), state('tx')]).toEqual(['stopped', 'stopped']);
      fake.setLink(true);
      expect([state('rx'), state('tx')]).toEqual(['running', 'running']);
    });

    it('runs engines only while the port is started, and only those it uses', () => {
      open({ queuePairs: 2 });
      device.stopPort();
      const four = [...rings(), peer.ring(2), peer.ring(3)];
      connect(four);
      expect(state('rx')).toBe('stopped');
      device.startPort({ rx: 1, tx: 2 });
      expect([state('rx', 0), state('rx', 1), state('tx', 0), state('tx', 1)]).toEqual([
        'running',
        'stopped',
        'running',
        'running',
      ]);
      device.stopPort();
      expect(state('tx', 1)).toBe('stopped');
    });

    it('keeps a ring that cannot be started apart, and reports it once', () => {
      open();
      connect([peer.ring(TX_RING, 16, { used: 0xdead_0000_0000n }), peer.ring(RX_RING)]);
      expect([state('tx'), state('rx')]).toEqual(['failed', 'running']);
      expect(device.engine('tx', 0).startErrors).toBe(1);
      fake.setLink(false);
      fake.setLink(true);
      expect(reports).toEqual([expect.stringMatching(/^Failed to start TX engine 0/)]);
      fake.send(remoteQueues(rings()));
      expect(state('tx')).toBe('running');
    });

    it.each([0, 3, 65_536])('does not start a ring of %i entries', (size) => {
      open();
      connect([peer.ring(TX_RING, 16), peer.ring(RX_RING, 16, { num: size })]);
      expect([state('tx'), state('rx')]).toEqual(['running', 'failed']);
    });
  });

  describe('RX interrupts', () => {
    const woken = () => native.eventfdDrain(device.interruptFd(0)) > 0n;

    it("are the vectors of the local RX queues, for other threads than this one's event loop", () => {
      open({ queuePairs: 2 });
      expect([0, 1, 2].map((pair) => device.interruptFd(pair))).toEqual([
        fake.interruptFds.get(2),
        fake.interruptFds.get(4),
        -1,
      ]);
      expect([fake.queues[0]?.vector, fake.queues[2]?.vector]).toEqual([2, 4]);
    });

    it('wake a sleeper when its engine starts, and when the link changes', () => {
      open();
      connect();
      expect([state('rx'), woken(), woken()]).toEqual(['running', true, false]);
      fake.setLink(false);
      expect(woken()).toBe(true);
      fake.setLink(true);
      expect([state('rx'), woken()]).toEqual(['running', true]);
      device.stopPort();
      expect(woken()).toBe(false);
      device.startPort({ rx: 1, tx: 1 });
      expect([state('rx'), woken()]).toEqual(['running', true]);
    });

    it('wake a sleeper when the device is gone', () => {
      open();
      connect();
      woken();
      fake.remove('unplugged');
      expect(woken()).toBe(true);
    });

    it('start polled: a peer is asked for kicks only while somebody sleeps', () => {
      open();
      connect();
      const flags = () => peer.view.getUint16(RX_RING * 0x4000 + 0x3000, true);
      const { queue } = device.engine('rx', 0);
      expect(flags()).toBe(1);
      expect([native.queueArm(queue), flags()]).toEqual([true, 0]);
      fake.setLink(false);
      fake.setLink(true);
      expect(flags()).toBe(1);
    });
  });

  describe('bare reference', () => {
    it('has rings of 256 entries in packed memory, with the features of the device', () => {
      open({ features: NET });
      offerMemory(peer);
      fake.send(packedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES) }]));
      fake.send(remoteQueues([peer.ring(0, 256, { num: 0 }), peer.ring(1, 256, { num: 1 })]));
      fake.setLink(true);
      expect([state('rx'), state('tx')]).toEqual(['running', 'running']);
      expect(device.engine('rx', 0).ringSize).toBe(256);
      expect(device.peerFeatures).toBe(NET);
    });

    it('maps its BAR once', () => {
      open({ features: NET });
      offerMemory(peer);
      for (let time = 0; time < 2; time++)
        fake.send(packedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES) }]));
      expect(fake.mapped).toBe(1);
    });
  });

  describe('trouble', () => {
    it('says why there is no link, after the change of the link, and until it is back', () => {
      open();
      expect(device.linkReason).toBe('the device has not said why');
      fake.send(linkReason('no peer is connected'));
      expect(why).toEqual(['no peer is connected']);
      connect();
      expect(device.linkReason).toBe('');
      onLink = () => expect(why).toHaveLength(1);
      fake.send(linkReason('the peer has stopped'));
      fake.setLink(false);
      expect(links).toEqual([true, false]);
      expect(why).toEqual(['no peer is connected', 'the peer has stopped']);
      fake.setLink(true);
      fake.setLink(false);
      expect(device.linkReason).toBe('the device has not said why');
    });

    it('shows words of the device that are one printable line, and no more of them than there may be', () => {
      open();
      fake.send(linkReason('a\n\x1b[2Jb\u202ec\u2028d é\x07'));
      expect(device.linkReason).toBe('a??[2Jb?c?d é?');
      fake.send(message(2, 5, Uint8Array.of(0x61, 0xff, 0xc3)));
      expect(device.linkReason).toBe('a??');
      fake.send(linkReason('x'.repeat(257)));
      expect(device.linkReason).toBe('a??');
      expect(reports).toEqual([expect.stringContaining('LINK_REASON of 257 bytes')]);
    });

    it('ignores malformed messages, counts them and goes on', () => {
      open();
      connect();
      fake.send(message(7, 7, new Uint8Array(0)));
      fake.send(queueStop(9, 9));
      fake.send(placedMemory([{ ...region, size: 0n }]));
      fake.send(new Uint8Array(0));
      expect(device.invalidMessages).toBe(4);
      expect(reports).toHaveLength(4);
      expect([state('rx'), state('tx')]).toEqual(['running', 'running']);
    });

    it.each([
      ['beyond the BAR', { size: BigInt(PEER_BYTES) + 1n }],
      ['at an offset beyond', { offset: 4096n }],
      ['in a BAR that is absent', { bar: 4 }],
    ])('refuses memory %s: the rings rest', (_, change) => {
      open();
      connect();
      fake.send(placedMemory([{ ...region, ...change }]));
      fake.send(remoteQueues(rings()));
      expect([state('rx'), state('tx')]).toEqual(['stopped', 'stopped']);
      expect(reports[0]).toMatch(/memory that it does not offer/);
      expect(device.invalidMessages).toBe(1);
    });

    it('stops a ring that breaks the rules, and no other', () => {
      open();
      connect();
      peer.setAvailIdx(RX_RING, 1000);
      receive();
      expect([state('rx'), state('tx')]).toEqual(['broken', 'running']);
    });

    it('resets the device when it asks, and has a new session', () => {
      open();
      connect();
      const old = fake.control;
      fake.demandReset();
      expect(device.resets).toBe(1);
      expect(links).toEqual([true, false]);
      expect(fake.status).toBe(1 | 2 | 4 | 8);
      expect(fake.control).not.toBe(old);
      expect([state('rx'), device.remoteBytes]).toEqual(['stopped', 0n]);
      fake.linkUp = false;
      connect();
      expect(state('rx')).toBe('running');
    });

    it('resets a device that breaks the control ring', async () => {
      open();
      fake.control.give(31, 0xffff_ffff);
      fake.raise(1);
      await until('the device is reset', () => device.resets === 1);
      expect(reports[0]).toMatch(/broke the rules of a local ring/);
      connect();
      expect(state('rx')).toBe('running');
    });

    it('leaves a device alone that asks for resets again and again', () => {
      open();
      for (let time = 0; time < 20; time++) fake.demandReset();
      expect(device.state).toBe('failed');
      expect(device.resets).toBe(9);
      expect(reports.at(-1)).toMatch(/again and again/);
    });

    it('is failed when the reset fails', () => {
      open();
      fake.offered = 0n;
      fake.demandReset();
      expect(device.state).toBe('failed');
      expect(reports).toEqual([expect.stringMatching(/^Failed to reset the device fake: .* lacks features/)]);
    });

    it('rests when the device is gone, and says so once', () => {
      open();
      connect();
      fake.remove('the connection was closed');
      fake.remove('again');
      expect([device.state, removals, device.linkUp]).toEqual(['removed', 1, false]);
      expect(links).toEqual([true, false]);
      expect([state('rx'), state('tx')]).toEqual(['stopped', 'stopped']);
      expect(reports).toEqual(['The device fake is gone: the connection was closed']);
      expect(receive()).toBe(0);
    });

    it('reports what goes wrong in the application that closes it at a change of the link', () => {
      open();
      connect();
      onLink = () => {
        device.close();
        throw new Error('the application is at fault');
      };
      fake.setLink(false);
      expect([device.state, reports]).toEqual(['closed', ['the application is at fault']]);
    });

    it.each([
      ['all its registers', 0],
      ['its configuration alone', DEVICE_OFFSET],
    ])(
      'regression: takes a device of which %s read as all ones for gone, and says nothing else',
      (_, from) => {
        open();
        connect();
        fake.vanish(from);
        fake.raise(0);
        fake.raise(0);
        expect(reports).toEqual(['The device fake is gone: it does not answer any more']);
        expect([device.state, removals, device.linkUp]).toEqual(['removed', 1, false]);
      },
    );

    it('regression: outlives a device that refuses a notification while it floods the control queue', async () => {
      open({ queueSize: 2 });
      await new Promise((resolve) => setImmediate(resolve));
      let sent = 0;
      const sendOne = () => {
        sent++;
        const chain = fake.nextBuffer();
        chain.segments[0]?.bytes.set(message(9, 9, new Uint8Array(0)));
        fake.control.give(chain.head, 4);
      };
      let rings = 0;
      fake.notified.push = () => {
        rings++;
        if (rings > 1) throw new Error('EIO');
        return rings;
      };
      const push = reports.push.bind(reports);
      reports.push = (line) => {
        if (sent < 3) sendOne();
        return push(line);
      };
      sendOne();
      fake.raise(1);
      await until('the refusal is told', () => reports.includes('EIO'));
      expect([device.state, device.invalidMessages]).toEqual(['live', 3]);
    });

    it('regression: resets a device that asks for answers and takes none', async () => {
      open();
      const { control } = fake;
      const give = control.give.bind(control);
      control.give = (head, written) => {
        if (written > 0) give(head, written);
      };
      for (let token = 0; reports.length === 0 && token < 3000; token++) fake.send(queueStop(0, token));
      await until('it is reset', () => device.resets === 1);
      expect(reports).toEqual([expect.stringMatching(/asks for answers and takes none/)]);
      expect(device.state).toBe('live');
    });

    it('regression: stays closed when the application closes it on hearing that the link is down', () => {
      open();
      connect();
      onLink = () => device.close();
      fake.demandReset();
      expect([device.state, reports]).toEqual(['closed', []]);
    });

    it('does not let a flood of messages hold the event loop', async () => {
      open();
      for (let count = 0; count < 24; count++) {
        const chain = fake.nextBuffer();
        chain.segments[0]?.bytes.set(message(9, 9, new Uint8Array(0)));
        fake.control.give(chain.head, 4);
      }
      fake.raise(1);
      await until('all are taken', () => device.invalidMessages === 24);
    });
  });
});
