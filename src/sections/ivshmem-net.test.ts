// SPDX-License-Identifier: BSD-3-Clause
// The device against a peer with the rules of Linux' ivshmem-net, over sections without headers.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { frameOf } from '../../test/support/section-files.ts';
import { SectionPeer } from '../../test/support/section-peer.ts';
import { type MbufVector, Mempool } from '../ethdev/mempool.ts';
import { native, QUEUE_COUNTERS } from '../native.ts';
import { SectionDevice } from './device.ts';
import { FakeSectionCarrier, FakeWire } from './fake-carrier.test-help.ts';
import { sectionLayout } from './layout.ts';

/** Jailhouse's network example. */
const SECTION = 0x7f000;
const [RESET, INIT, READY, RUN] = [0, 1, 2, 3];
const BURST = 64;

describe('against ivshmem-net', () => {
  let wire: FakeWire;
  let carrier: FakeSectionCarrier;
  let device: SectionDevice;
  let pool: Mempool;
  let pkts: MbufVector;
  let reports: string[];
  let views: { own: DataView; peer: DataView };

  /** Both go through their states, as Linux does. */
  const connect = (line: 32 | 64 | 128 = 64, publishes: 'packet' | 'batch' = 'batch'): SectionPeer => {
    const look = (state: number) => {
      wire.table[1] = state;
      device.poll();
    };
    look(RESET);
    look(INIT);
    new Uint8Array(views.own.buffer).fill(0);
    const { entries, usedOffset, dataOffset } = sectionLayout(SECTION) as NonNullable<
      ReturnType<typeof sectionLayout>
    >;
    const peer = new SectionPeer({ ...views, entries, usedOffset, dataOffset, line, publishes });
    look(READY);
    look(RUN);
    expect([device.linkUp, wire.table[0]]).toEqual([true, RUN]);
    return peer;
  };
  const engine = (role: 'rx' | 'tx') => device.engine(role, 0);
  const counter = (role: 'rx' | 'tx', name: (typeof QUEUE_COUNTERS)[number]) =>
    new BigUint64Array(native.queueStats(engine(role).queue))[QUEUE_COUNTERS.indexOf(name)];

  const send = (frames: readonly Uint8Array[]): number => {
    expect(pool.alloc(pkts, frames.length)).toBe(frames.length);
    frames.forEach((frame, i) => {
      const id = pkts.ids[i];
      pool.bytes.set(frame, id * pool.stride + pool.dataOff[id]);
      pool.dataLen[id] = pool.pktLen[id] = frame.length;
    });
    const taken = native.txBurst(engine('tx').queue, pkts.handle, 0, frames.length);
    pool.free(pkts, taken, frames.length);
    return taken;
  };
  const receive = (): Uint8Array[] => {
    const n = native.rxBurst(engine('rx').queue, pkts.handle, BURST);
    const frames = Array.from(pkts.ids.subarray(0, n), (id) => {
      const start = id * pool.stride + pool.dataOff[id];
      return pool.bytes.slice(start, start + pool.dataLen[id]);
    });
    pool.free(pkts, 0, n);
    return frames;
  };

  beforeEach(() => {
    wire = new FakeWire(SECTION);
    carrier = new FakeSectionCarrier(wire, 0, 'table');
    reports = [];
    const none = () => {};
    const events = {
      onLink: none,
      onLinkReason: none,
      onRemoved: none,
      report: (line: string) => reports.push(line),
    };
    device = new SectionDevice(carrier, events, { queuePairs: 1, minimum: false, mac: new Uint8Array(6) });
    device.startPort({ rx: 1, tx: 1 });
    pool = new Mempool({ count: 256, dataRoom: 16_448, hugepages: false });
    pkts = pool.vector(BURST);
    const view = (fd: number, writable: boolean) =>
      new DataView(native.mappingBuffer(native.mapFd(fd, 0, SECTION, writable)));
    views = { own: view(wire.fds[1], true), peer: view(wire.fds[0], false) };
  });
  afterEach(() => {
    device.close();
    wire.close();
    expect(pool.available).toBe(pool.count);
    pool.close();
  });

  it.each([
    [32, 'packet'],
    [64, 'batch'],
    [64, 'packet'],
    [128, 'batch'],
  ] as const)(
    'passes frames both ways, in order, with slots of %i bytes and the index set by %s',
    (line, publishes) => {
      const peer = connect(line, publishes);
      let seed = 0;
      const frames = fc.array(
        fc.oneof(fc.integer({ min: 60, max: 200 }), fc.integer({ min: 60, max: 9000 })),
        { maxLength: BURST },
      );
      const pass = (lengths: readonly number[]) => {
        const made = lengths.map((length) => frameOf(length, seed++));
        const sent = peer.send(made);
        expect(receive()).toEqual(made.slice(0, sent));
        const taken = send(made);
        expect(peer.receive()).toEqual(made.slice(0, taken));
        // With all of it returned, everything finds room again.
        expect([sent, taken]).toEqual([made.length, made.length]);
      };
      fc.assert(fc.property(frames, pass), { numRuns: 100 });
      peer.reclaim();
      expect([peer.inFlight, engine('rx').state, engine('tx').state, reports]).toEqual([
        0,
        'running',
        'running',
        [],
      ]);
    },
  );

  it('goes on when the indices of the rings wrap', () => {
    const peer = connect();
    const frames = Array.from({ length: BURST }, (_, i) => frameOf(60, i));
    for (let passed = 0; passed <= 0x1_0000; passed += BURST) {
      expect(peer.send(frames)).toBe(BURST);
      expect(receive().length).toBe(BURST);
      expect(send(frames)).toBe(BURST);
      expect(peer.receive().length).toBe(BURST);
    }
    expect(peer.send(frames)).toBe(BURST);
    expect(receive()).toEqual(frames);
    expect(send(frames)).toBe(BURST);
    expect(peer.receive()).toEqual(frames);
  });

  it('fills its section, leaves the rest to the caller, and goes on with what the peer returns', () => {
    const peer = connect();
    const frame = frameOf(9000, 1);
    let sent = 0;
    for (let n = 1; n > 0; sent += n) n = send(Array.from({ length: 8 }, () => frame));
    expect(sent).toBeGreaterThan(40);
    expect(peer.receive()).toEqual(Array.from({ length: sent }, () => frame));
    expect(send([frame])).toBe(1);
    expect(peer.receive()).toEqual([frame]);
  });

  it('drops and counts a frame that is longer than the base allows', () => {
    const peer = connect();
    expect(send([frameOf(16_402, 1), frameOf(16_403, 2), frameOf(60, 3)])).toBe(3);
    expect(peer.receive()).toEqual([frameOf(16_402, 1), frameOf(60, 3)]);
    expect(counter('tx', 'errors')).toBe(1n);
  });

  it.each([
    ['flags of a chain', { flags: 1 }],
    ['flags of an indirect table', { flags: 4 }],
    ['an address in the rings', { addr: 0n }],
    ['an address before the data', { addr: 53_375n }],
    ['an address beyond the section', { addr: BigInt(SECTION) }],
    ['an end beyond the section', { addr: BigInt(SECTION - 59) }],
    ['an address that overflows', { addr: 0xffff_ffff_ffff_ffc0n }],
    ['a length that overflows', { len: 0xffff_ffff }],
  ])('breaks its RX queue alone for %s', (_, entry) => {
    const peer = connect();
    peer.send([frameOf(60, 1)]);
    peer.corrupt(0, entry);
    expect(receive()).toEqual([]);
    expect([engine('rx').state, engine('tx').state]).toEqual(['broken', 'running']);
    expect(counter('rx', 'invalid_desc')).toBe(1n);
    expect(send([frameOf(60, 2)])).toBe(1);
    expect(peer.receive()).toEqual([frameOf(60, 2)]);
    // A peer that begins again is served again.
    wire.table[1] = RESET;
    device.poll();
    const next = connect();
    next.send([frameOf(60, 3)]);
    expect(receive()).toEqual([frameOf(60, 3)]);
  });

  it.each([2049, 0x8000, 0xffff])('breaks its RX queue for an available index that is %i ahead', (idx) => {
    const peer = connect();
    peer.setAvailIdx(idx);
    expect(receive()).toEqual([]);
    expect([engine('rx').state, engine('tx').state]).toEqual(['broken', 'running']);
  });

  it.each([1, 2049, 0xfffe])(
    'breaks its TX queue for a used index that is %i beyond what is in flight',
    (more) => {
      const peer = connect();
      expect(send([frameOf(60, 1)])).toBe(1);
      peer.setUsedIdx(1 + more);
      send([frameOf(60, 2)]);
      expect([engine('tx').state, engine('rx').state]).toEqual(['broken', 'running']);
      expect(peer.send([frameOf(60, 3)])).toBe(1);
      expect(receive()).toEqual([frameOf(60, 3)]);
    },
  );
});
