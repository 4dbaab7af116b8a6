// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { factorOf, statsIn } from './latency-stats.ts';

it('reads what DPDK answers, and nothing before a frame was measured', () => {
  const answer = (max: number) =>
    `{"status_code": "Status OK: 200", "data": [{"port": -1, "stats": [{"name": "min_latency_ns", "value": 10}, {
"name": "avg_latency_ns",
 "value": 20
}, {"name": "max_latency_ns", "value": ${max}}, {"name": "jitter_ns", "value": 4}]}]}`;
  expect(statsIn(answer(40), 0.5)).toEqual({ minNs: 5, avgNs: 10, maxNs: 20, jitterNs: 2 });
  expect(statsIn(answer(0), 1)).toBeUndefined();
  expect(statsIn('{"status_code": "Status Error: Unknown", "data": null}', 1)).toBeUndefined();
});

it('mends the nanoseconds of versions that count whole cycles', () => {
  expect(factorOf('22.11.11', 2.5e9)).toBeCloseTo(0.8);
  expect(factorOf('24.11.0', 2.5e9)).toBe(1);
  expect(factorOf(undefined, 3e9)).toBe(1);
});
