// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { ticksOf } from '../../../src/lcore/ticks.ts';
import { GapLog, newGapLog } from './gap-log.ts';
import { GapMeter } from './gap-meter.ts';
import { HISTOGRAM_BUCKETS } from './histogram.ts';
import { G_AWAY_ENDED, G_GAPS_AWAY, G_GAPS_OFF, G_GAPS_OFF_AWAY } from './layout.ts';

const US = ticksOf(1);

function meter(spacingUs = 0) {
  const counts = new Float64Array(HISTOGRAM_BUCKETS);
  const global = new Float64Array(16);
  const gaps = new GapMeter(counts, global, 1);
  gaps.begin(spacingUs * US);
  /** Frames that were due at these microseconds are sent together. */
  const send = (nowUs: number, ...duesUs: number[]) => {
    const dues = Float64Array.from(duesUs, (due) => due * US);
    gaps.take(dues, 0, dues.length, Float64Array.of(nowUs * US), 0);
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
  global[G_AWAY_ENDED] = 900 * US;
  gaps.putOff(700 * US);
  send(900, 900);
  expect([global[G_GAPS_OFF], global[G_GAPS_AWAY], global[G_GAPS_OFF_AWAY]]).toEqual([1, 1, 1]);
  send(1000, 1000);
  expect([global[G_GAPS_OFF], global[G_GAPS_AWAY]]).toEqual([1, 1]);
});

it('at the far end, a loop that was away before the round of a packet disturbs the gaps on both sides of it', () => {
  const { gaps, global } = meter();
  const [due, now, since] = [new Float64Array(1), new Float64Array(1), new Float64Array(1)];
  const arrive = (dueUs: number, atUs: number, sinceUs: number, number: number) => {
    [due[0], now[0], since[0]] = [dueUs * US, atUs * US, sinceUs * US];
    gaps.arrived(due, 0, now, since, number);
    return [global[G_GAPS_OFF], global[G_GAPS_AWAY], global[G_GAPS_OFF_AWAY]];
  };
  arrive(0, 7000, 6990, 0);
  expect(arrive(100, 7100, 7090, 1)).toEqual([0, 0, 0]);
  global[G_AWAY_ENDED] = 7220 * US;
  expect(arrive(200, 7220, 7199, 2)).toEqual([1, 1, 1]);
  expect(arrive(300, 7300, 7290, 3)).toEqual([2, 2, 2]);
  expect(arrive(400, 7420, 7410, 4)).toEqual([3, 2, 2]);
});

it('keeps the time of each packet, and whether the loop was away', () => {
  const log = new GapLog(newGapLog(4));
  const global = new Float64Array(16);
  const gaps = new GapMeter(new Float64Array(HISTOGRAM_BUCKETS), global, 1, log);
  gaps.begin(0);
  const dues = Float64Array.of(10, 20, 30);
  gaps.take(dues, 0, 1, Float64Array.of(11), 0);
  global[G_AWAY_ENDED] = 15;
  gaps.take(dues, 1, 3, Float64Array.of(31), 1);
  expect([...log.times]).toEqual([11, 31, 31, -1]);
  expect([...log.away]).toEqual([0, 1, 0, 0]);
  // One more than was announced is not kept.
  gaps.take(dues, 2, 3, Float64Array.of(40), 4);
  expect([...log.times]).toEqual([11, 31, 31, -1]);
});
