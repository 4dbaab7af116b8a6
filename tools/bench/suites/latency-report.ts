// SPDX-License-Identifier: BSD-3-Clause
// Latencies as a table of percentiles, and as a histogram of both sides.
import type { LatencyBucket } from '../../peer/latency.ts';
import type { Spread } from '../instruments/statistics.ts';
import { fixed, render } from '../report.ts';

/** Microseconds from the time at which a frame was due to its return. */
export interface LatencyFigures {
  readonly p50_us: number;
  readonly p99_us: number;
  readonly p99_9_us: number;
  readonly max_us: number;
  /** Frames that did not come back. */
  readonly lost: number;
  /** Share of the frames that were timed, 0 to 1: for the others the instrument itself had been away. */
  readonly timed_share: number;
}

export interface LatencyRow {
  readonly case: string;
  /** Frames a second, on both sides. */
  readonly rate_pps: number;
  /** Medians of the rounds; of `max_us` the greatest, of `lost` the sum, of `timed_share` the least. */
  readonly ours: LatencyFigures;
  readonly theirs: LatencyFigures;
  /** Of ours to theirs, in pairs. */
  readonly ratio: { readonly p50: Spread; readonly p99: Spread; readonly p99_9: Spread };
  /** Each round's two sides. */
  readonly rounds: readonly (readonly [LatencyFigures, LatencyFigures])[];
  /** The least share of its CPU that a side had in any round, 0 to 1: below 0.995 something else ran there. */
  readonly cpu_share: number;
  /** All rounds together. */
  readonly histogram: { readonly ours: readonly LatencyBucket[]; readonly theirs: readonly LatencyBucket[] };
}

/** Two lines a case; the ratios stand in the first. */
export function latencyTable(rows: readonly LatencyRow[]): string {
  const head = ['case', 'side', 'p50 us', 'p99 us', 'p99.9 us', 'max us', 'lost'];
  const side = (name: string, of: LatencyFigures) => [
    ...[name, ...[of.p50_us, of.p99_us, of.p99_9_us, of.max_us].map((us) => fixed(us)), `${of.lost}`],
  ];
  return render(
    [...head, 'ratio: p50', 'p99', 'p99.9'],
    rows.flatMap(({ case: name, ours, theirs, ratio }) => [
      [
        name,
        ...side('ours', ours),
        ...[ratio.p50, ratio.p99, ratio.p99_9].map(({ median }) => fixed(median)),
      ],
      ['', ...side('net_vhost', theirs), '', '', ''],
    ]),
    [0, 1],
  );
}

const BAR = 24;

/** Bars grow with the logarithm of the number of frames: it is the few slow ones that are looked for. */
export function latencyHistograms(row: LatencyRow): string {
  const { ours, theirs } = row.histogram;
  const edges = [...new Set([...ours, ...theirs].map(({ toNs }) => toNs))].sort((a, b) => a - b);
  const most = Math.max(...[...ours, ...theirs].map(({ samples }) => samples));
  const cells = (side: readonly LatencyBucket[], edge: number) => {
    const frames = side.find(({ toNs }) => toNs === edge)?.samples ?? 0;
    return [`${frames}`, bar(frames, most)];
  };
  return render(
    [`${row.case}, up to us`, 'ours', '', 'net_vhost', ''],
    edges.map((edge) => [`${edge / 1000}`, ...cells(ours, edge), ...cells(theirs, edge)]),
    [2, 4],
  );
}

const bar = (frames: number, most: number): string =>
  frames === 0 ? '' : '#'.repeat(Math.max(1, Math.round((BAR * Math.log1p(frames)) / Math.log1p(most))));
