// SPDX-License-Identifier: BSD-3-Clause
import { fc, it as property } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { bucketsOf, latencyHistogram, latencyLine, summarize } from './latency.ts';

function histogramOf(values: readonly number[]) {
  const histogram = latencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** 1 us, 2 us, … 1000 us. */
const THOUSAND = Array.from({ length: 1000 }, (_, i) => 1000 * (i + 1));

describe('percentiles', () => {
  it('are right within the histogram’s three figures', () => {
    const latency = summarize(histogramOf(THOUSAND));
    expect(latency).toMatchObject({ samples: 1000, minNs: 1000, meanNs: expect.any(Number) });
    const { meanNs, p50Ns, p90Ns, p99Ns, p999Ns, p9999Ns, maxNs } = latency as NonNullable<typeof latency>;
    const [exact, given] = [
      [500_500, 500_000, 900_000, 990_000, 999_000, 1_000_000, 1_000_000],
      [meanNs, p50Ns, p90Ns, p99Ns, p999Ns, p9999Ns, maxNs],
    ];
    exact.forEach((value, i) => {
      expect(Math.abs((given[i] as number) / value - 1)).toBeLessThan(0.001);
    });
  });

  it('of nothing do not exist', () => {
    expect(summarize(latencyHistogram())).toBeNull();
    expect(latencyLine(null)).toBe('latency -');
  });

  it('are printed in microseconds', () => {
    const latency = { samples: 9, minNs: 800, meanNs: 1250, p50Ns: 1100, p90Ns: 1500, p99Ns: 2000 };
    expect(latencyLine({ ...latency, p999Ns: 12_345, p9999Ns: 50_000, maxNs: 1_234_567 })).toBe(
      'latency (us) min 0.8  mean 1.3  p50 1.1  p90 1.5  p99 2.0  p99.9 12.3  p99.99 50.0  max 1234.6',
    );
  });
});

describe('buckets', () => {
  it('end at 1, 2 and 5 and leave no gap', () => {
    expect(bucketsOf(histogramOf([150, 200, 201, 3000]))).toEqual([
      { toNs: 200, samples: 2 },
      { toNs: 500, samples: 1 },
      { toNs: 1000, samples: 0 },
      { toNs: 2000, samples: 0 },
      { toNs: 5000, samples: 1 },
    ]);
  });

  it('of nothing do not exist', () => {
    expect(bucketsOf(latencyHistogram())).toEqual([]);
  });

  property.prop([fc.array(fc.integer({ min: 1, max: 1e10 }), { minLength: 1, maxLength: 200 })])(
    'hold every sample',
    (values) => {
      const buckets = bucketsOf(histogramOf(values));
      expect(buckets.reduce((sum, { samples }) => sum + samples, 0)).toBe(values.length);
      expect(buckets.at(-1)?.samples).toBeGreaterThan(0);
      expect(buckets[0]?.samples).toBeGreaterThan(0);
    },
  );
});
