// SPDX-License-Identifier: BSD-3-Clause
// A histogram of whole numbers with three significant digits, in the manner of HdrHistogram: below 2048 each
// value has a bucket of its own, above that a power of two is divided into 1024 buckets. The counts lie in
// shared memory: one thread records, others read.

const SUB_BITS = 11;
const HALF = 1 << (SUB_BITS - 1);
/** Largest value that has a bucket; larger ones count as this. */
export const HISTOGRAM_MAX = 0x7fff_ffff;
export const HISTOGRAM_BUCKETS = (31 - SUB_BITS + 2) * HALF;
export const HISTOGRAM_BYTES = HISTOGRAM_BUCKETS * 8;

/** HOT. The bucket of a value from 0 to HISTOGRAM_MAX. */
export function bucketOf(value: number): number {
  const shift = 32 - SUB_BITS - Math.clz32(value);
  return shift <= 0 ? value : shift * HALF + (value >>> shift);
}

/** The smallest value of a bucket. */
export function bucketStart(bucket: number): number {
  const shift = Math.max(0, Math.floor(bucket / HALF) - 1);
  return (bucket - shift * HALF) * 2 ** shift;
}

export interface Bucket {
  /** Largest value of the bucket. */
  readonly to: number;
  readonly count: number;
}

/** A copy of the counts, to be asked for percentiles. */
export class HistogramView {
  readonly buckets: readonly Bucket[];
  readonly count: number;

  /** `scale` is what one recorded unit is in the unit of the results. */
  constructor(counts: Float64Array, scale = 1) {
    const buckets: Bucket[] = [];
    let total = 0;
    for (let i = 0; i < HISTOGRAM_BUCKETS; i++) {
      const count = counts[i];
      if (count === 0) continue;
      total += count;
      buckets.push({ to: (bucketStart(i + 1) - 1) * scale, count });
    }
    this.buckets = buckets;
    this.count = total;
  }

  /** The value that `percent` of the values do not exceed; 0 when there are none. */
  percentile(percent: number): number {
    const wanted = Math.max(1, Math.ceil((this.count * percent) / 100));
    let seen = 0;
    for (const { to, count } of this.buckets) {
      seen += count;
      if (seen >= wanted) return to;
    }
    return this.buckets.at(-1)?.to ?? 0;
  }
}

/** Adds the counts of `from` to those of `to`. */
export function addCounts(to: Float64Array, from: Float64Array): void {
  for (let i = 0; i < HISTOGRAM_BUCKETS; i++) to[i] += from[i];
}
