// SPDX-License-Identifier: BSD-3-Clause
// `set record-burst-stats`: what is counted, and testpmd's line about it.
import { describe, expect, it } from 'vitest';
import type { MbufVector } from '../../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../ethdev/port.ts';
import { burstsLine } from '../text/burst-text.ts';
import { BURST_COUNTS, BURST_SIZES, counting } from './burst-stats.ts';

const pkts = {} as MbufVector;

describe('queues that count', () => {
  it('count bursts, relays and packets written in place', () => {
    const counts = new Float64Array(BURST_COUNTS);
    let relayedTo: TxQueue | undefined;
    const tx = { burst: () => 3, inPlace: { repeat: () => 7 } } as unknown as TxQueue;
    const rx: RxQueue = {
      burst: () => 5,
      relayTo: (to) => {
        relayedTo = to;
        return { burst: (n) => (n === 1 ? -1 : n === 2 ? 0 : 9) };
      },
    };
    const counted = counting(rx, tx, counts);
    expect(counted.rx.burst(pkts, 32)).toBe(5);
    expect(counted.tx.burst(pkts, 0, 5)).toBe(3);
    expect(counted.tx.inPlace?.repeat(pkts, 64, 32)).toBe(7);
    const relay = counted.rx.relayTo?.(counted.tx);
    expect(relayedTo).toBe(tx);
    expect([1, 2, 3].map((n) => relay?.burst(n))).toEqual([-1, 0, 9]);
    const shown = [...counts.entries()].filter(([, count]) => count > 0).map(([at]) => at);
    expect(shown).toEqual([0, 5, 9, BURST_SIZES + 3, BURST_SIZES + 7, BURST_SIZES + 9]);
  });

  it('offer no way that their queues do not have', () => {
    const counts = new Float64Array(BURST_COUNTS);
    const { rx, tx } = counting({ burst: () => 0 }, { burst: () => 0 }, counts);
    expect([rx.relayTo?.(tx), tx.inPlace]).toEqual([null, undefined]);
  });
});

// Printed by testpmd 22.11's pkt_burst_stats_display() for these counts.
it.each([
  [{}, []],
  [{ 0: 55492 }, ['  RX-bursts : 55492 [100% of 0 pkts]']],
  [{ 32: 7 }, ['  RX-bursts : 7 [0% of 0 pkts + 100% of 32 pkts]']],
  [{ 0: 1, 32: 9 }, ['  RX-bursts : 10 [10% of 0 pkts + 90% of 32 pkts]']],
  [{ 0: 1, 4: 1, 32: 1 }, ['  RX-bursts : 3 [33% of 0 pkts + 33% of 4 pkts + 34% of 32 pkts]']],
  [
    { 1: 5, 2: 5, 3: 10, 4: 80 },
    ['  RX-bursts : 100 [0% of 0 pkts + 80% of 4 pkts + 10% of 3 pkts + 10% of other]'],
  ],
])('the line of %j', (counts, lines) => {
  const spread = new Float64Array(BURST_SIZES);
  for (const [size, count] of Object.entries(counts)) spread[Number(size)] = count;
  expect(burstsLine('RX', spread)).toEqual(lines);
});
