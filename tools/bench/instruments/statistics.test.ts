// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { mean, median, pairedRatio, spread } from './statistics.ts';

describe('the median', () => {
  it('is the middle value, in whatever order they come', () => expect(median([9, 1, 5])).toBe(5));
  it('is the mean of the two middle values', () => expect(median([10, 1, 2, 4])).toBe(3));
  it('sorts numbers as numbers', () => expect(median([10, 9, 100])).toBe(10));
  it('does not modify its argument', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
  it('of no values is an error', () => expect(() => median([])).toThrow(RangeError));
});

describe('the mean', () => {
  it('weighs all values equally', () => expect(mean([1, 2, 6])).toBe(3));
  it('of no values is an error', () => expect(() => mean([])).toThrow(RangeError));
});

describe('ratios', () => {
  it('are taken round by round, not from the medians', () => {
    // The machine became half as fast in the second round, yet the sides are equal.
    expect(pairedRatio([8, 4, 6], [8, 4, 6])).toEqual({ median: 1, min: 1, max: 1 });
    expect(pairedRatio([8, 1, 6], [4, 4, 6])).toEqual({ median: 1, min: 0.25, max: 2 });
  });
  it('need pairs', () => expect(() => pairedRatio([1, 2], [1])).toThrow('2 and 1 rounds'));
  it('have a spread', () => expect(spread([2, 1, 4])).toEqual({ median: 2, min: 1, max: 4 }));
});
