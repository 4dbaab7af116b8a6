// SPDX-License-Identifier: BSD-3-Clause
// The window of numbers against a plain model, and the histogram against sorted values.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, bucketStart, HISTOGRAM_BUCKETS, HISTOGRAM_MAX, HistogramView } from './histogram.ts';
import { SequenceWindow } from './sequence-window.ts';

/** Moves of the number from one frame to the next; most are 1. */
const moves = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(1) },
    { weight: 2, arbitrary: fc.integer({ min: -80, max: 80 }) },
    { weight: 1, arbitrary: fc.integer({ min: -60_000, max: 70_000 }) },
  ),
  { maxLength: 400 },
);

describe('the window of numbers', () => {
  property.prop([moves])('knows what was overtaken and what was doubled', (steps) => {
    const window = new SequenceWindow();
    const seen = new Set<number>();
    let number = -1;
    let highest = -1;
    for (const step of steps) {
      number = Math.max(0, number + step);
      if (number < highest - 65_000) continue;
      const expected = number > highest ? 0 : seen.has(number) ? -1 : 1;
      expect(window.take(number | 0)).toBe(expected);
      seen.add(number);
      highest = Math.max(highest, number);
    }
  });

  it('goes on where numbers wrap', () => {
    const window = new SequenceWindow();
    for (let i = 0; i < 40; i++) window.take(i * 0x0700_0000);
    window.reset();
    window.take(0x7fff_fffe);
    expect([0x7fff_ffff, -0x8000_0000, 0x7fff_ffff, -0x7fff_ffff].map((n) => window.take(n))).toEqual([
      0, 0, -1, 0,
    ]);
  });
});

describe('the histogram', () => {
  property.prop([fc.integer({ min: 0, max: HISTOGRAM_MAX })])('keeps three digits', (value) => {
    const bucket = bucketOf(value);
    expect(bucket).toBeLessThan(HISTOGRAM_BUCKETS);
    expect(bucketStart(bucket)).toBeLessThanOrEqual(value);
    expect(bucketStart(bucket + 1)).toBeGreaterThan(value);
    expect(bucketStart(bucket + 1) - bucketStart(bucket)).toBeLessThanOrEqual(Math.max(1, value / 1000));
  });

  property.prop([fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 1, maxLength: 300 })])(
    'has the percentiles of what was recorded',
    (values) => {
      const counts = new Float64Array(HISTOGRAM_BUCKETS);
      for (const value of values) counts[bucketOf(value)]++;
      const view = new HistogramView(counts);
      const sorted = values.toSorted((a, b) => a - b);
      for (const percent of [1, 50, 90, 99, 100]) {
        const exact = sorted[Math.max(1, Math.ceil((percent * sorted.length) / 100)) - 1] as number;
        expect(view.percentile(percent)).toBeGreaterThanOrEqual(exact);
        expect(view.percentile(percent)).toBeLessThanOrEqual(exact * 1.001 + 1);
      }
    },
  );
});
