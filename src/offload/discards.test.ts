// SPDX-License-Identifier: BSD-3-Clause
// Each packet that software drops is counted once, by its reason, and no other is.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Mempool } from '../ethdev/mempool.ts';
import { DISCARDS, discardMemory, queueDiscards, totalDiscards } from './discards.ts';
import { deviceWith, rxPlan } from './offload.test-help.ts';
import { FilteredRxQueue, RxSpreader } from './rx-queues.ts';

const OWN = [2, 0, 0, 0, 0, 1];
const TO = { own: OWN, other: [2, 0, 0, 0, 0, 9] };
let pool: Mempool;
beforeEach(() => {
  pool = new Mempool({ count: 512, hugepages: false });
});
afterEach(() => pool.close());

/** A frame to an address, of a VLAN. */
const frame = (to: keyof typeof TO, vlan: number, type: number) =>
  Uint8Array.from([...TO[to], ...[2, 0, 0, 0, 0, 2], 0x81, 0, 0, vlan, type, 0, ...Array(44).fill(0)]);

/** VLAN 1 passes, 2 does not; type 7 is dropped by a rule. */
const vlan = { strip: false, qinqStrip: false, extend: false, filter: new Uint8Array(512).fill(2, 0, 1) };
const rule = {
  pattern: {
    eth: [],
    vlan: [[{ offset: 2, spec: Uint8Array.of(7), mask: Uint8Array.of(0xff) }]],
    ip: null,
    l4: null,
  },
  actions: { queue: null, drop: true, mark: null, count: false },
};

it('counts each dropped packet once, by the first reason', () => {
  const one = fc.record({
    to: fc.constantFrom<keyof typeof TO>('own', 'other'),
    vlan: fc.constantFrom(1, 2),
    type: fc.constantFrom(7, 8),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 32 }), (packets) => {
      const plan = rxPlan({ unicast: [Uint8Array.from(OWN)], vlan, rules: [rule as never] });
      const queue = new FilteredRxQueue(
        deviceWith(packets.map((packet) => frame(packet.to, packet.vlan, packet.type))),
        plan,
        0,
      );
      const pkts = pool.vector(32);
      const passed = queue.burst(pkts, 32);
      pool.free(pkts, 0, passed);
      const [mac, byVlan, flow, stopped] = totalDiscards(plan.discards);
      const toOwn = packets.filter(({ to }) => to === 'own');
      const inVlan = toOwn.filter((packet) => packet.vlan === 1);
      expect(mac).toBe(packets.length - toOwn.length);
      expect(byVlan).toBe(toOwn.length - inVlan.length);
      expect(flow).toBe(inVlan.filter(({ type }) => type === 7).length);
      expect(stopped).toBe(0);
      expect(passed).toBe(packets.length - mac - byVlan - flow);
    }),
    { numRuns: 50 },
  );
});

it('counts what is for a queue that is stopped, or that is not there', () => {
  const to = (queue: number) => ({
    ...rule,
    pattern: { ...rule.pattern, vlan: [] },
    actions: { ...rule.actions, drop: false, queue },
  });
  for (const [queue, stopped] of [
    [1, [1]],
    [5, []],
  ] as const) {
    const plan = rxPlan({ rules: [to(queue) as never], queues: 2, stopped: [...stopped] });
    const spreader = new RxSpreader([deviceWith([frame('own', 1, 8)])], plan, pool, 8);
    expect(spreader.queue(0).burst(pool.vector(8), 8)).toBe(0);
    expect(totalDiscards(plan.discards)).toEqual([0, 0, 0, 1]);
  }
  expect(pool.available).toBe(pool.count);
});

it('adds the queues of a port, each in its own cache line', () => {
  const memory = discardMemory(3);
  for (const queue of [0, 1, 2]) queueDiscards(memory, queue).fill(queue + 1);
  expect(totalDiscards(memory)).toEqual(DISCARDS.map(() => 6));
});
