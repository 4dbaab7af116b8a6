// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { QUEUE_COUNTERS } from '../native.ts';
import { counter, portStats, portXstats, QueueCounters } from './xstats.ts';

const values = (given: Partial<Record<(typeof QUEUE_COUNTERS)[number], number>>) =>
  QUEUE_COUNTERS.map((name) => given[name] ?? 0);

describe('port statistics', () => {
  const counters = {
    rx: [
      values({ good_packets: 3, good_bytes: 192, errors: 1, invalid_desc: 1, mbuf_alloc_failed: 2 }),
      values({ good_packets: 4, good_bytes: 256 }),
    ],
    tx: [values({ good_packets: 5, good_bytes: 320, errors: 6 })],
  };

  it('sums the queues', () => {
    expect(portStats(counters)).toEqual({
      ipackets: 7,
      opackets: 5,
      ibytes: 448,
      obytes: 320,
      imissed: 0,
      ierrors: 1,
      oerrors: 6,
      rxNombuf: 2,
    });
  });

  it("lists extended statistics in DPDK's order", () => {
    const names = [...portXstats(counters, [['ctrl_invalid_messages', 9]]).keys()];
    expect(names.slice(0, 16)).toEqual([
      'rx_good_packets',
      'tx_good_packets',
      'rx_good_bytes',
      'tx_good_bytes',
      'rx_missed_errors',
      'rx_errors',
      'tx_errors',
      'rx_mbuf_allocation_errors',
      'rx_q0_packets',
      'rx_q0_bytes',
      'rx_q0_errors',
      'rx_q1_packets',
      'rx_q1_bytes',
      'rx_q1_errors',
      'tx_q0_packets',
      'tx_q0_bytes',
    ]);
    expect(names[16]).toBe('rx_q0_good_packets');
    expect(names.at(-1)).toBe('ctrl_invalid_messages');
  });

  it('keeps the value of each counter of each queue', () => {
    const xstats = portXstats(counters);
    expect(xstats.get('rx_q0_invalid_desc')).toBe(1);
    expect(xstats.get('rx_q1_good_bytes')).toBe(256);
    expect(xstats.get('rx_q0_errors')).toBe(1);
    expect(xstats.get('tx_q0_errors')).toBe(6);
    expect(xstats.size).toBe(8 + 2 * 3 + 2 + 3 * QUEUE_COUNTERS.length - 2);
  });
});

describe('QueueCounters', () => {
  it('counts from the last clear', () => {
    const live = new BigUint64Array(QUEUE_COUNTERS.length);
    const counters = new QueueCounters(live);
    live[0] = 5n;
    expect(counter(counters.read(), 'good_packets')).toBe(5);
    counters.clear();
    live[0] = 12n;
    expect(counter(counters.read(), 'good_packets')).toBe(7);
  });
});
