// SPDX-License-Identifier: BSD-3-Clause
// Results of mode 'latency', as figures and as text lines.
import { createHistogram, type Histogram, type RecordableHistogram } from 'node:perf_hooks';

/** Nanoseconds from the time at which a frame was due to its return. */
export interface Latency {
  /** Frames recorded. */
  readonly samples: number;
  readonly minNs: number;
  readonly meanNs: number;
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly p9999Ns: number;
  readonly maxNs: number;
}

/** Frames that took more than the previous bucket's `toNs`, and at most this one's. */
export interface LatencyBucket {
  readonly toNs: number;
  readonly samples: number;
}

/** 18 minutes: longer than the peer waits for any frame. */
const LONGEST_NS = 2 ** 40;
/** Significant decimal digits of a value. */
const FIGURES = 3;

/** One histogram for all recording threads: a clone in another thread shares the counts. */
export const latencyHistogram = (): RecordableHistogram =>
  createHistogram({ lowest: 1, highest: LONGEST_NS, figures: FIGURES });

/** Null when nothing was recorded. */
export function summarize(histogram: Histogram): Latency | null {
  if (histogram.count === 0) return null;
  return {
    samples: histogram.count,
    minNs: histogram.min,
    meanNs: Math.round(histogram.mean),
    p50Ns: histogram.percentile(50),
    p90Ns: histogram.percentile(90),
    p99Ns: histogram.percentile(99),
    p999Ns: histogram.percentile(99.9),
    p9999Ns: histogram.percentile(99.99),
    maxNs: histogram.max,
  };
}

/**
 * Buckets from the smallest to the largest value, without gaps; they end at 1, 2 and 5 times the powers of
 * ten.
 */
export function bucketsOf(histogram: Histogram): LatencyBucket[] {
  const buckets: LatencyBucket[] = [];
  let before = 0;
  for (let power = 1; before < histogram.count; power *= 10) {
    for (const toNs of [power, 2 * power, 5 * power]) {
      const upTo = countAtMost(histogram, toNs);
      if (upTo > 0 && before < histogram.count) buckets.push({ toNs, samples: upTo - before });
      before = upTo;
    }
  }
  return buckets;
}

/** How many of the values are at most `value`: the inverse of a percentile. */
function countAtMost(histogram: Histogram, value: number): number {
  let [least, most] = [0, histogram.count];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (histogram.percentile((100 * middle) / histogram.count) <= value) least = middle;
    else most = middle - 1;
  }
  return least;
}

/** "latency (us) min 1.3  mean 1.9  …"; a dash when nothing was recorded. */
export function latencyLine(latency: Latency | null): string {
  if (latency === null) return 'latency -';
  const { minNs, meanNs, p50Ns, p90Ns, p99Ns, p999Ns, p9999Ns, maxNs } = latency;
  const figures = { min: minNs, mean: meanNs, p50: p50Ns, p90: p90Ns, p99: p99Ns, 'p99.9': p999Ns };
  const all = Object.entries({ ...figures, 'p99.99': p9999Ns, max: maxNs });
  return `latency (us) ${all.map(([name, ns]) => `${name} ${(ns / 1000).toFixed(1)}`).join('  ')}`;
}
