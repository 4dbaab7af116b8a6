// SPDX-License-Identifier: BSD-3-Clause
// A peer that writes anything anywhere it can, at any step, while packets are sent and received: the device
// keeps its own words, and serves the next peer that follows the rules. And the least side's arithmetic.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { layoutOf } from '../../test/support/minimum-side.ts';
import { SECTION_HEADER, SECTION_MAGIC } from '../abi/section.ts';
import { Mempool } from '../ethdev/mempool.ts';
import { native } from '../native.ts';
import { SectionDevice } from './device.ts';
import { FakeSectionCarrier, FakeWire } from './fake-carrier.test-help.ts';
import { largestFrame, sectionLayout } from './layout.ts';

const SIDE = 0x10000;
const BURST = 32;
const { fields } = SECTION_HEADER;

let wire: FakeWire;
let devices: SectionDevice[];
let pool: Mempool;

const openEnd = (end: 0 | 1): SectionDevice => {
  const none = () => {};
  const events = { onLink: none, onLinkReason: none, onRemoved: none, report: none };
  const options = { queuePairs: 2, minimum: false, mac: new Uint8Array(6) };
  const device = new SectionDevice(new FakeSectionCarrier(wire, end), events, options);
  devices.push(device);
  device.startPort({ rx: 2, tx: 2 });
  return device;
};

beforeEach(() => {
  wire = new FakeWire(SIDE, 3);
  devices = [];
  pool = new Mempool({ count: 256, hugepages: false });
});
afterEach(() => {
  for (const device of devices) device.close();
  pool.close();
  wire.close();
});

const word = fc.oneof(
  fc.integer({ min: 0, max: 5 }),
  fc.constantFrom(SECTION_MAGIC, 0xffff, 0x8000, 0x7fff_ffff, 0xffff_ffff, 0xffff_fffe),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
type Step =
  | { readonly kind: 'header'; readonly field: number; readonly value: number }
  | { readonly kind: 'section'; readonly at: number; readonly value: number }
  | { readonly kind: 'poll' | 'burst' | 'honest' | 'restart' };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('header' as const), field: fc.integer({ min: 0, max: 11 }), value: word }),
  fc.record({
    kind: fc.constant('section' as const),
    // The rings of the first pair lie at the start; a few words anywhere.
    at: fc.oneof(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: (SIDE - 4096) / 4 - 1 })),
    value: word,
  }),
  fc.record({ kind: fc.constantFrom('poll', 'burst', 'honest', 'restart') }),
);

it('keeps its own words, whatever the peer writes, and serves the next that follows the rules', () => {
  const device = openEnd(0);
  let peer = openEnd(1);
  const words = new Uint32Array(native.mappingBuffer(native.mapFd(wire.fds[1], 0, SIDE, true)));
  const own = new Uint32Array(native.mappingBuffer(native.mapFd(wire.fds[0], 0, SIDE, false)));
  const pkts = pool.vector(BURST);
  const burst = () => {
    for (const pair of [0, 1]) {
      const n = native.rxBurst(device.engine('rx', pair).queue, pkts.handle, BURST);
      pool.free(pkts, 0, n);
      pool.alloc(pkts, BURST);
      for (const id of pkts.ids) pool.dataLen[id] = pool.pktLen[id] = 60;
      const sent = native.txBurst(device.engine('tx', pair).queue, pkts.handle, 0, BURST);
      pool.free(pkts, sent, BURST);
    }
  };
  const restart = () => {
    peer.close();
    devices.splice(devices.indexOf(peer), 1);
    peer = openEnd(1);
  };
  const take = (one: Step) => {
    if (one.kind === 'header') words[one.field] = one.value;
    else if (one.kind === 'section') words[1024 + one.at] = one.value;
    else if (one.kind === 'burst') burst();
    else if (one.kind === 'restart') restart();
    else (one.kind === 'poll' ? device : peer).poll();
  };
  const attack = (steps: readonly Step[]) => {
    for (const one of steps) {
      take(one);
      expect(own[fields.magic.offset / 4]).toBe(SECTION_MAGIC);
      expect([0, 1, 2, 3]).toContain(own[fields.state.offset / 4]);
      expect([device.state, pool.available]).toEqual(['live', pool.count]);
    }
    // All of its words again, and both settle.
    restart();
    for (let turn = 0; turn < 8; turn++) for (const one of devices) one.poll();
    expect([device.linkUp, peer.linkUp]).toEqual([true, true]);
    const states = [0, 1].flatMap((pair) => [
      device.engine('rx', pair).state,
      device.engine('tx', pair).state,
    ]);
    expect(states).toEqual(['running', 'running', 'running', 'running']);
  };
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), attack), { numRuns: 200 });
});

it.each(['magic', 'version', 'state', 'queue_pairs', 'max_frame'] as const)(
  'regression: writes its header again when somebody has written to its %s while it waits',
  (field) => {
    const device = openEnd(0);
    const own = new Uint32Array(native.mappingBuffer(native.mapFd(wire.fds[0], 0, SIDE, true)));
    own[fields[field].offset / 4] = 9;
    const peer = openEnd(1);
    for (let i = 0; i < 4; i++) for (const end of [device, peer]) end.poll();
    expect([device.linkUp, peer.linkUp], peer.linkReason).toEqual([true, true]);
  },
);

it('the least side has the layout that the device has', () => {
  fc.assert(
    fc.property(fc.integer({ min: 4096, max: 1 << 28 }), (bytes) => {
      const layout = sectionLayout(bytes);
      if (layout === null) return;
      const { dataBytes: _, ...rest } = layout;
      expect(layoutOf(bytes)).toEqual({ ...rest, maxFrame: largestFrame(layout, false) });
    }),
  );
});
