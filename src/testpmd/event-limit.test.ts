// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { EventLimit } from './event-limit.ts';

it('regression: lets a peer that goes up and down print thirty lines, then one a second, and counts the rest', () => {
  let now = 0;
  const limit = new EventLimit(() => now);
  const take = (n: number) => Array.from({ length: n }, () => limit.take());
  expect(take(30)).toEqual(Array(30).fill(0));
  expect(take(215)).toEqual(Array(215).fill(null));
  now = 1000;
  expect(take(2)).toEqual([215, null]);
  now = 2500;
  expect(take(2)).toEqual([1, null]);
  now = 100_000;
  expect(take(31).filter((held) => held === null)).toHaveLength(1);
});
