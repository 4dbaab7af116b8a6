// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { mean, median, pairedRatio, spread } from './statistics.ts';

describe('the median', () => {
  it('is the middle value, in whatever order they come', () => expect(median([9, 1, 5])).toBe(5));
  it('is the mean of the two middle ones', () => expect(median([10, 1, 2, 4])).toBe(3));
  it('sorts numbers as numbers', () => expect(median([10, 9, 100])).toBe(10));
  it('leaves its argument as it is', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
  it('of nothing is an error', () => expect(() => median([])).toThrow(RangeError));
});

describe('the mean', () => {
  it('weighs all values alike', () => expect(mean([1, 2, 6])).toBe(3));
  it('of nothing is an error', () => expect(() => mean([])).toThrow(RangeError));
});

describe('ratios', () => {
  it('are taken round by round, not of the medians', () => {
    // The machine got twice as slow in the second round: the sides are equal all the same.
    expect(pairedRatio([8, 4, 6], [8, 4, 6])).toEqual({ median: 1, min: 1, max: 1 });
    expect(pairedRatio([8, 1, 6], [4, 4, 6])).toEqual({ median: 1, min: 0.25, max: 2 });
  });
  it('need pairs', () => expect(() => pairedRatio([1, 2], [1])).toThrow('2 and 1 rounds'));
  it('have a spread', () => expect(spread([2, 1, 4])).toEqual({ median: 2, min: 1, max: 4 }));
});
