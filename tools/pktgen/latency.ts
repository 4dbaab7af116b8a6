// SPDX-License-Identifier: BSD-3-Clause
// Latencies: a summary, and the histogram behind it.
import { requireNumber } from '../../src/arguments.ts';
import { HISTOGRAM_BUCKETS, HistogramView } from './engine/histogram.ts';
import { S_JITTER, S_LATENCY_MAX, S_LATENCY_MIN, S_LATENCY_SUM, S_SAMPLES } from './engine/layout.ts';

/** How long some of the frames took. */
export interface Percentile {
  /** Of the frames, 0 to 100. */
  readonly percent: number;
  /** Nanoseconds in which they were back. */
  readonly ns: number;
}

/** Whole nanoseconds from when a frame was due until it was back. */
export interface LatencySummary {
  /** Frames that were timed: those that came back, duplicates not. */
  readonly samples: number;
  /** The shortest. */
  readonly minNs: number;
  /** The mean. */
  readonly avgNs: number;
  /** The median. */
  readonly p50Ns: number;
  /** 90 of 100 frames took no longer. */
  readonly p90Ns: number;
  /** 99 of 100 frames took no longer. */
  readonly p99Ns: number;
  /** 999 of 1000 frames took no longer. */
  readonly p999Ns: number;
  /** The longest. */
  readonly maxNs: number;
  /** Smoothed difference between one frame and the next, as in RFC 3550 and DPDK's latencystats. */
  readonly jitterNs: number;
  /** What `percent` of the frames, 0 to 100, did not exceed, to three significant digits. */
  percentile(percent: number): number;
  /** From 0 to 100 per cent: `percentiles` of the command's JSON. */
  percentiles(): Percentile[];
  /** All of them, as the command's `--hgrm` writes them: HdrHistogram's text form, in microseconds. */
  hgrm(): string;
}

const PERCENTS = [0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100];

/** The figures are properties, so that JSON has them and nothing else. */
class Latencies implements LatencySummary {
  readonly samples: number;
  readonly minNs: number;
  readonly avgNs: number;
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly maxNs: number;
  readonly jitterNs: number;
  readonly #histogram: HistogramView;

  constructor(used: readonly Float64Array[], histogram: HistogramView, nsPerUnit: number) {
    this.#histogram = histogram;
    const samples = used.reduce((sum, own) => sum + own[S_SAMPLES], 0);
    const weighted = used.reduce((sum, own) => sum + own[S_JITTER] * own[S_SAMPLES], 0) / samples;
    // The counter ticks about as often.
    const ns = (units: number) => Math.round(nsPerUnit * units);
    this.samples = samples;
    this.maxNs = ns(Math.max(...used.map((own) => own[S_LATENCY_MAX])));
    this.minNs = ns(Math.min(...used.map((own) => own[S_LATENCY_MIN])));
    this.avgNs = ns(used.reduce((sum, own) => sum + own[S_LATENCY_SUM], 0) / samples);
    this.p50Ns = this.percentile(50);
    this.p90Ns = this.percentile(90);
    this.p99Ns = this.percentile(99);
    this.p999Ns = this.percentile(99.9);
    this.jitterNs = ns(weighted);
  }

  /** A bucket's largest value may exceed the largest that was recorded. */
  percentile(percent: number): number {
    requireNumber('percentile()', 'percent', percent, 0, 100);
    return Math.min(this.maxNs, Math.round(this.#histogram.percentile(percent)));
  }

  percentiles(): Percentile[] {
    return PERCENTS.map((percent) => ({ percent, ns: this.percentile(percent) }));
  }

  hgrm(): string {
    return hgrmText(this.#histogram);
  }
}

/** Of the counters of streams, and the histogram of their latencies; null if nothing came back. */
export function summarize(
  counters: readonly Float64Array[],
  histogram: HistogramView,
  nsPerUnit: number,
): LatencySummary | null {
  const used = counters.filter((own) => own[S_SAMPLES] > 0);
  return used.length === 0 || histogram.count === 0 ? null : new Latencies(used, histogram, nsPerUnit);
}

/**
 * HdrHistogram's text form, which its plotter reads: value (here in microseconds), share of the values up to
 * it, their number, and 1 / (1 - share).
 */
function hgrmText(histogram: HistogramView): string {
  const cell = (value: string, width: number) => value.padStart(width);
  const lines = [
    `${cell('Value', 12)} ${cell('Percentile', 14)} ${cell('TotalCount', 10)} ${cell('1/(1-Percentile)', 14)}`,
    '',
  ];
  let seen = 0;
  let sum = 0;
  let squares = 0;
  for (const { to, count } of histogram.buckets) {
    seen += count;
    sum += (to / 1000) * count;
    squares += (to / 1000) ** 2 * count;
    const share = seen / histogram.count;
    const inverse = seen < histogram.count ? (1 / (1 - share)).toFixed(2) : 'inf';
    lines.push(
      `${cell((to / 1000).toFixed(3), 12)} ${cell(share.toFixed(12), 14)} ${cell(`${seen}`, 10)} ${cell(inverse, 14)}`,
    );
  }
  const mean = histogram.count > 0 ? sum / histogram.count : 0;
  const deviation = histogram.count > 0 ? Math.sqrt(Math.max(0, squares / histogram.count - mean ** 2)) : 0;
  const max = (histogram.buckets.at(-1)?.to ?? 0) / 1000;
  lines.push(
    `#[Mean    = ${cell(mean.toFixed(3), 12)}, StdDeviation   = ${cell(deviation.toFixed(3), 12)}]`,
    `#[Max     = ${cell(max.toFixed(3), 12)}, Total count    = ${cell(`${histogram.count}`, 12)}]`,
    `#[Buckets = ${cell('22', 12)}, SubBuckets     = ${cell('2048', 12)}]`,
  );
  return `${lines.join('\n')}\n`;
}

/** That of no frames. */
export const EMPTY_HGRM = hgrmText(new HistogramView(new Float64Array(HISTOGRAM_BUCKETS)));
