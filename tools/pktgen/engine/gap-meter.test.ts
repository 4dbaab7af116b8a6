// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { native } from '../../../src/native.ts';
import { GapMeter } from './gap-meter.ts';
import { HISTOGRAM_BUCKETS } from './histogram.ts';
import { G_GAPS_AWAY, G_GAPS_OFF, G_GAPS_OFF_AWAY, G_STALL_ENDED } from './layout.ts';

const US = native.tscHz() / 1e6;

function meter(spacingUs = 0) {
  const counts = new Float64Array(HISTOGRAM_BUCKETS);
  const global = new Float64Array(16);
  const gaps = new GapMeter(counts, global, 1);
  gaps.begin(spacingUs * US);
  /** Frames that were due at these microseconds are sent together. */
  const send = (nowUs: number, ...duesUs: number[]) => {
    const dues = Float64Array.from(duesUs, (due) => due * US);
    gaps.take(dues, 0, dues.length, Float64Array.of(nowUs * US));
  };
  const judged = () => [counts.reduce((sum, n) => sum + n, 0), global[G_GAPS_OFF] as number];
  return { gaps, global, send, judged };
}

it('a gap is right within 5 us or 1 %', () => {
  const { send, judged } = meter();
  send(0, 0);
  send(104, 100);
  send(206, 200);
  expect(judged()).toEqual([2, 0]);
  send(294, 300);
  expect(judged()).toEqual([3, 1]);
  send(2300, 2300);
  expect(judged()).toEqual([4, 1]);
});

it('frames that were late and sent together have no gaps', () => {
  const far = meter(10);
  far.send(50, 10, 20, 30, 40);
  expect(far.judged()).toEqual([3, 3]);
  const near = meter(1);
  near.send(50, 47, 48, 49, 50);
  expect(near.judged()).toEqual([3, 0]);
});

it('tells the gaps in which the loop was away, and those that were put off', () => {
  const { gaps, global, send } = meter();
  send(100, 100);
  global[G_STALL_ENDED] = 900 * US;
  gaps.putOff(700 * US);
  send(900, 900);
  expect([global[G_GAPS_OFF], global[G_GAPS_AWAY], global[G_GAPS_OFF_AWAY]]).toEqual([1, 1, 1]);
  send(1000, 1000);
  expect([global[G_GAPS_OFF], global[G_GAPS_AWAY]]).toEqual([1, 1]);
});
