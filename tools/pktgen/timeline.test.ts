// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { Timeline } from './timeline.ts';

const at = (seconds: number, sent = 1000 * seconds) => ({ seconds, sent, received: sent / 2 });

it('has the rates of each period', () => {
  const timeline = new Timeline();
  for (const [seconds, sent] of [
    [0.25, 100],
    [0.3, 110],
    [0.5, 400],
  ] as const)
    timeline.take(at(seconds, sent));
  expect(timeline.rates(at(1, 900), true)).toEqual([
    { seconds: 0.25, sentPps: 400, receivedPps: 200 },
    { seconds: 0.5, sentPps: 1200, receivedPps: 600 },
    { seconds: 1, sentPps: 1000, receivedPps: 500 },
  ]);
});

it('counts a short rest to the last period', () => {
  const timeline = new Timeline();
  for (const seconds of [0.25, 0.5]) timeline.take(at(seconds));
  expect(timeline.rates(at(0.55), true).map(({ seconds }) => seconds)).toEqual([0.25, 0.55]);
});

it('knows nothing of what is not expected back, and of a run without time', () => {
  expect(new Timeline().rates(at(0.1), false)).toEqual([{ seconds: 0.1, sentPps: 1000, receivedPps: null }]);
  expect(new Timeline().rates(at(0), true)).toEqual([]);
});

it('has as many periods however long the run is, and loses no frame', () => {
  const timeline = new Timeline();
  for (let quarter = 1; quarter <= 100_000; quarter++) timeline.take(at(quarter / 4));
  const rates = timeline.rates(at(25_000), true);
  expect(rates.length).toBeGreaterThan(100);
  expect(rates.length).toBeLessThanOrEqual(481);
  expect(new Set(rates.map(({ sentPps }) => sentPps))).toEqual(new Set([1000]));
});
