// SPDX-License-Identifier: BSD-3-Clause
// Which packets reach which queue: addresses, flow rules, and the hash over software queues.
import { fc, test } from '@fast-check/vitest';
import { afterAll, describe, expect, it } from 'vitest';
import { Mempool } from '../ethdev/mempool.ts';
import { Classifier } from './classifier.ts';
import { type FlowActions, type FlowRule, newRuleCounters, ruleHits } from './flow-rule.ts';
import { hashesOf, marksOf } from './marks.ts';
import { deviceWith, drain, type FrameSpec, frame, rxPlan } from './offload.test-help.ts';
import { DEFAULT_RSS_KEY, evenReta, RSS_TYPES, RssHash } from './rss.ts';
import { FilteredRxQueue, RxSpreader } from './rx-queues.ts';

const pool = new Mempool({ count: 256, hugepages: false });
const pkts = pool.vector(8);
afterAll(() => pool.close());

const RSS = {
  types: RSS_TYPES.ipv4 | RSS_TYPES['ipv4-udp'] | RSS_TYPES['ipv4-tcp'],
  key: DEFAULT_RSS_KEY,
  reta: evenReta(4),
};
const nothing: FlowActions = { queue: null, drop: false, mark: null, count: false };

/** UDP to a port. */
function udpTo(port: number, actions: Partial<FlowActions>): FlowRule {
  const spec = Uint8Array.from([port >>> 8, port & 0xff]);
  return {
    pattern: {
      eth: [],
      vlan: [],
      ip: { version: 4, matches: [] },
      l4: { protocol: 17, length: 8, matches: [{ offset: 2, spec, mask: Uint8Array.from([255, 255]) }] },
    },
    actions: { ...nothing, ...actions },
    counters: newRuleCounters(),
  };
}

const received = (plan: Parameters<typeof rxPlan>[0], specs: readonly FrameSpec[]) =>
  drain(new FilteredRxQueue(deviceWith(specs.map(frame)), rxPlan(plan), 0), pool, pkts);

describe('the hash', () => {
  it('is kept with each packet of a queue that is to keep it, and chooses none', () => {
    const specs: FrameSpec[] = [{ ports: [1, 53] }, { ports: [2, 53] }];
    const rss = { ...RSS, reta: [] };
    const queue = new FilteredRxQueue(deviceWith(specs.map(frame)), rxPlan({ rss, keepsHash: true }), 0);
    expect(queue.burst(pkts, 8)).toBe(2);
    const kept = [...pkts.ids.subarray(0, 2)].map((id) => hashesOf(pool)?.[id]);
    const hash = new RssHash(rss);
    expect(kept).toEqual(specs.map((spec) => hash.hash(frame(spec), 0x0800, 14, frame(spec).length) >>> 0));
    pool.free(pkts, 0, 2);
  });

  it('regression: is kept where it was found once, not looked up for each packet', () => {
    expect(deviceWith([{}, {}, {}].map(frame)).burst(pkts, 8)).toBe(3);
    const rules = [udpTo(53, { mark: 7 })];
    const classifier = new Classifier(rxPlan({ rss: { ...RSS, reta: [] }, keepsHash: true, rules }), 0);
    const classify = () => [...pkts.ids.subarray(0, 3)].map((id) => classifier.classify(pool, id));
    expect(classify()).toEqual([0, 0, 0]);
    const { get } = WeakMap.prototype;
    let lookups = 0;
    WeakMap.prototype.get = function (key) {
      if (key === pool) lookups++;
      return get.call(this, key);
    };
    classify();
    WeakMap.prototype.get = get;
    expect(lookups).toBe(0);
    pool.free(pkts, 0, 3);
  });
});

describe('addresses', () => {
  const own = { dst: [2, 0, 0, 0, 0, 1] };
  const other = { dst: [2, 0, 0, 0, 0, 7] };
  const group = { dst: [1, 0, 0x5e, 0, 0, 1] };
  const everybody = { dst: [255, 255, 255, 255, 255, 255] };
  const all = [own, other, group, everybody];

  it('of others pass in promiscuous mode only', () => {
    expect(received({}, all)).toEqual(all.map(frame));
    const unicast = [Uint8Array.from(own.dst)];
    expect(received({ unicast, multicast: null }, all)).toEqual([own, group, everybody].map(frame));
    expect(received({ unicast, multicast: [] }, all)).toEqual([own, everybody].map(frame));
    const multicast = [Uint8Array.from(group.dst)];
    expect(received({ unicast: [], multicast }, all)).toEqual([group, everybody].map(frame));
    expect(pool.available).toBe(pool.count);
  });
});

describe('flow rules', () => {
  it('drop, count and mark; the first that matches decides', () => {
    const rules = [
      udpTo(53, { drop: true, count: true }),
      udpTo(53, { count: true }),
      udpTo(80, { mark: 7 }),
    ];
    const left = received({ rules }, [{ ports: [1, 53] }, { ports: [1, 80] }, { ports: [1, 81] }]);
    expect(left).toEqual([frame({ ports: [1, 80] }), frame({ ports: [1, 81] })]);
    expect(rules.map(ruleHits)).toEqual([
      { hits: 1, bytes: 46 },
      { hits: 0, bytes: 0 },
      { hits: 0, bytes: 0 },
    ]);
  });

  it('leave a mark on the packets that match, and none on others', () => {
    const queue = new FilteredRxQueue(
      deviceWith([frame({ ports: [1, 80] }), frame({ ports: [1, 81] })]),
      rxPlan({ rules: [udpTo(80, { mark: 7 })] }),
      0,
    );
    expect(queue.burst(pkts, 8)).toBe(2);
    expect([...pkts.ids.subarray(0, 2)].map((id) => marksOf(pool)?.[id])).toEqual([8, 0]);
    pool.free(pkts, 0, 2);
  });

  it.each([
    ['a tagged packet', { tags: [[0x8100, 5]] as const, ports: [1, 53] as const }],
    ['another protocol', { protocol: 6, ports: [1, 53] as const }],
    ['another port', { ports: [53, 1] as const }],
  ])('for UDP without tag do not match %s', (_, spec) => {
    expect(received({ rules: [udpTo(53, { drop: true })] }, [spec])).toEqual([frame(spec)]);
  });

  it('match within a tag when they name it', () => {
    const rule = udpTo(53, { drop: true });
    const vlan5 = [{ offset: 0, spec: Uint8Array.from([0, 5]), mask: Uint8Array.from([0x0f, 0xff]) }];
    const rules = [{ ...rule, pattern: { ...rule.pattern, vlan: [vlan5] } }];
    const of = (id: number): FrameSpec => ({ tags: [[0x8100, 0x2000 | id]], ports: [1, 53] });
    expect(received({ rules }, [of(5), of(6)])).toEqual([frame(of(6))]);
  });
});

/** All queues in turn, as a loop serves them. */
function spread(plan: ReturnType<typeof rxPlan>, frames: readonly Uint8Array[]): Uint8Array[][] {
  const spreader = new RxSpreader([deviceWith(frames)], plan, pool, 8);
  const queues = Array.from({ length: plan.queues }, (_, queue) => spreader.queue(queue));
  const out: Uint8Array[][] = queues.map(() => []);
  for (let idle = 0; idle < 3; idle++) {
    for (const [q, queue] of queues.entries()) {
      const got = drain(queue, pool, pkts);
      if (got.length > 0) idle = 0;
      out[q]?.push(...got);
    }
  }
  spreader.close();
  return out;
}

describe('software queues', () => {
  const flow = fc.record({
    src: fc.tuple(fc.constant(10), fc.nat(3), fc.nat(255), fc.nat(255)),
    ports: fc.tuple(fc.nat(65_535), fc.nat(65_535)),
    protocol: fc.constantFrom(6, 17, 1),
  });

  test.prop([fc.array(flow, { minLength: 1, maxLength: 6 }), fc.array(fc.nat(5), { maxLength: 60 })])(
    'have all packets once, those of one flow on one queue and in order',
    (flows, order) => {
      const sent = order.map((i) => frame(flows[i % flows.length]));
      const out = spread(rxPlan({ rss: RSS, queues: 4 }), sent);
      expect(out.flat()).toHaveLength(sent.length);
      for (const spec of flows) {
        const text = String(frame(spec));
        expect(out.filter((queue) => queue.some((packet) => String(packet) === text)).length).toBeLessThan(2);
      }
      for (const queue of out) {
        const mine = new Set(queue.map(String));
        expect(queue).toEqual(sent.filter((packet) => mine.has(String(packet))));
      }
      expect(pool.available).toBe(pool.count);
    },
  );

  it('share many flows about evenly', () => {
    const frames = Array.from({ length: 200 }, (_, i) => frame({ ports: [i * 7 + 1, 80] }));
    const out = spread(rxPlan({ rss: RSS, queues: 4 }), frames);
    for (const queue of out) expect(queue.length).toBeGreaterThan(25);
  });

  it('follow the redirection table and rules before it; what is for a stopped queue is dropped', () => {
    const rss = { ...RSS, reta: evenReta(1) };
    const plan = rxPlan({
      rss,
      queues: 3,
      rules: [udpTo(53, { queue: 2 }), udpTo(54, { queue: 1 })],
      stopped: [1],
    });
    const out = spread(plan, [
      frame({ ports: [1, 53] }),
      frame({ ports: [1, 54] }),
      frame({ ports: [1, 55] }),
    ]);
    expect(out).toEqual([[frame({ ports: [1, 55] })], [], [frame({ ports: [1, 53] })]]);
    expect(pool.available).toBe(pool.count);
  });

  it('leave packets in the device while one of them is full', () => {
    const rules = [udpTo(53, { queue: 1 })];
    const frames = Array.from({ length: 40 }, () => frame({ ports: [1, 53] }));
    const spreader = new RxSpreader([deviceWith(frames)], rxPlan({ queues: 2, rules }), pool, 8);
    for (let i = 0; i < 10; i++) expect(spreader.queue(0).burst(pkts, 8)).toBe(0);
    expect(pool.count - pool.available).toBeLessThanOrEqual(16);
    expect(drain(spreader.queue(1), pool, pkts)).toHaveLength(40);
  });
});
