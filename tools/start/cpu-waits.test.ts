// SPDX-License-Identifier: BSD-3-Clause
// When the demo says that other work disturbed it.
import { expect, it } from 'vitest';
import { CpuWaits } from './cpu-waits.ts';

/** A meter whose kernel reports first `before` and then `after`, a pair for each thread. */
const told = (before: readonly [number, number][], after: readonly [number, number][]) => {
  const reports = [before, after].map(
    (threads) => new Map(threads.map((times, i) => [`${i}`, times] as const)),
  );
  return new CpuWaits(1, () => reports.shift() ?? new Map()).lines('testpmd', 0);
};

it('tells of the busiest thread’s waits since the start', () => {
  expect(
    told(
      [
        [1, 5],
        [9, 900],
      ],
      [
        [2, 999],
        [1009, 3900],
      ],
    ),
  ).toEqual([
    'disturbed: testpmd waited 75 % of the time for CPU 0, where other work ran: the rates say little',
  ]);
});

it.each([
  ['waited little', [[0, 0]], [[1000, 10]]],
  ['waited before that', [[0, 5000]], [[1000, 5010]]],
  ['has no statistics', [], []],
] as [string, [number, number][], [number, number][]][])('is silent where it %s', (_, before, after) => {
  expect(told(before, after)).toEqual([]);
});
