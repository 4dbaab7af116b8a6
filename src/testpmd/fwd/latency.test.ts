// SPDX-License-Identifier: BSD-3-Clause
// --latencystats in an lcore: which packets are measured, and what becomes of the measurements.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Mempool } from '../../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../ethdev/port.ts';
import { LATENCY, LATENCY_WORDS, LatencyQueues, sample } from './latency.ts';

let pool: Mempool;
beforeEach(() => {
  pool = new Mempool({ count: 64, hugepages: false });
});
afterEach(() => pool.close());

/** Queues that receive new mbufs, and send `room` of a burst. */
function measured({ room = 32 } = {}) {
  const stats = new Float64Array(LATENCY_WORDS);
  const rx: RxQueue = {
    burst: (pkts, n) => pool.alloc(pkts, n),
    relayTo: () => ({ burst: () => 0 }),
  };
  const inPlace = {} as TxQueue['inPlace'];
  const tx: TxQueue = {
    inPlace,
    burst: (pkts, from, to) => {
      const sent = Math.min(room, to - from);
      pkts.pool.free(pkts, from, from + sent);
      return sent;
    },
  };
  const queues = new LatencyQueues({ rxQueue: () => rx, txQueue: () => tx }, pool, stats);
  return { stats, rx: queues.rxQueue(0, 0), tx: queues.txQueue(1, 0), inPlace };
}

it('measures each packet from the burst that receives it to the one that sends it', () => {
  const { stats, rx, tx, inPlace } = measured();
  const pkts = pool.vector(32);
  for (let i = 0; i < 10; i++) expect(tx.burst(pkts, 0, rx.burst(pkts, 8))).toBe(8);
  expect(stats[LATENCY.SAMPLES]).toBe(80);
  expect(stats[LATENCY.MIN]).toBeGreaterThan(0);
  expect(stats[LATENCY.MAX]).toBeGreaterThanOrEqual(stats[LATENCY.AVERAGE]);
  expect(stats[LATENCY.AVERAGE]).toBeGreaterThanOrEqual(stats[LATENCY.MIN]);
  // Packets must become mbufs; what is written in place was not received.
  expect([rx.relayTo, tx.inPlace]).toEqual([undefined, inPlace]);
});

it('measures a packet once, whatever is sent again, and none of other pools', () => {
  const { stats, rx, tx } = measured({ room: 2 });
  const pkts = pool.vector(32);
  rx.burst(pkts, 4);
  for (let sent = 0; sent < 4; ) sent += tx.burst(pkts, sent, 4);
  expect(stats[LATENCY.SAMPLES]).toBe(4);
  const other = new Mempool({ count: 64, hugepages: false });
  const own = other.vector(8);
  other.alloc(own, 8);
  expect(tx.burst(own, 0, 8)).toBe(2);
  expect(stats[LATENCY.SAMPLES]).toBe(4);
  other.close();
});

it('is not led astray by what an application leaves in a vector', () => {
  const { stats, tx } = measured();
  const pkts = pool.vector(4);
  pkts.ids.set([63, 64, 0xffff_ffff, 1 << 20]);
  tx.burst(pkts, 0, 4);
  tx.burst(pkts, 3, 1);
  expect(stats[LATENCY.SAMPLES]).toBe(0);
});

it('keeps the extremes, a moving average and the jitter of RFC 3550', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1 }), (cycles) => {
      const stats = new Float64Array(LATENCY_WORDS);
      for (const one of cycles) sample(stats, one);
      expect(stats[LATENCY.MIN]).toBe(Math.min(...cycles));
      expect(stats[LATENCY.MAX]).toBe(Math.max(...cycles));
      let [average, jitter] = [cycles[0] ?? 0, 0];
      for (const [i, one] of cycles.entries()) {
        if (i === 0) continue;
        average = 0.8 * average + 0.2 * one;
        jitter += (Math.abs(one - (cycles[i - 1] ?? 0)) - jitter) / 16;
      }
      expect(stats[LATENCY.AVERAGE]).toBeCloseTo(average, 3);
      expect(stats[LATENCY.JITTER]).toBeCloseTo(jitter, 3);
    }),
  );
});
