// SPDX-License-Identifier: BSD-3-Clause
// The figures as JSON, CSV and .hgrm, and their delivery: what cannot be written to where it was wanted is
// written elsewhere, and the user is told where, so that no measured figure is lost.
import { requireWritable } from '../../src/user-file.ts';
import { deliverAs } from '../run/deliver.ts';
import type { HistogramView } from './engine/histogram.ts';
import type { StreamResult, TrialResult } from './result.ts';

const COUNTS = [
  'offered',
  'sent',
  'unsent',
  'received',
  'lost',
  'reordered',
  'duplicates',
  'txBytes',
  'rxBytes',
] as const;
const TIMES = ['minNs', 'avgNs', 'p50Ns', 'p90Ns', 'p99Ns', 'p999Ns', 'maxNs', 'jitterNs'] as const;

/** A head, a line for each stream, and one for their total. */
export function csvText(result: TrialResult): string {
  const row = (name: string, of: Omit<StreamResult, 'name'>) => [
    /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name,
    result.seconds,
    ...COUNTS.map((key) => of[key]),
    ...TIMES.map((key) => (of.latency ? Math.round(of.latency[key]) : '')),
  ];
  const rows = [...result.streams.map((stream) => row(stream.name, stream)), row('total', result)];
  return [['stream', 'seconds', ...COUNTS, ...TIMES], ...rows]
    .map((cells) => `${cells.join(',')}\n`)
    .join('');
}

/** Times to a tenth, everything else to six digits: what follows is not measured. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, rounded, 2)}\n`;

function rounded(key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isInteger(value)) return value;
  if (/(Ns|Us)$/.test(key)) return Math.round(10 * value) / 10;
  return Math.abs(value) < 1e5 ? Number(value.toPrecision(6)) : Math.round(value);
}

/**
 * HdrHistogram's text form, which its plotter reads: value (here in microseconds), share of the values up to
 * it, their number, and 1 / (1 - share).
 */
export function hgrmText(histogram: HistogramView): string {
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

const PERCENTS = [0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100];

/** How long the frames took: `percent` of them no longer than `ns`; none where nothing came back. */
export const percentiles = (histogram: HistogramView): { percent: number; ns: number }[] =>
  histogram.count === 0
    ? []
    : PERCENTS.map((percent) => ({ percent, ns: Math.round(histogram.percentile(percent)) }));

/** Lines as one text. */
export const deliverable = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** Whether figures go to standard output, where nothing else may then. */
export const figuresOnStdout = (options: {
  json?: string | undefined;
  csv?: string | undefined;
  gaps?: string | undefined;
}): boolean => options.json === '-' || options.csv === '-' || options.gaps === '-';

/** Checked before the run: better now than after it. */
export function requireFigures(file: string | undefined): void {
  if (file !== undefined && file !== '-') requireWritable(file, 'the figures');
}

export const deliver = deliverAs('vhost-pci-pktgen');

type FigureFile = 'json' | 'csv' | 'hgrm' | 'html';

/** Each in the file that the options name for it, if any. Returns false if one had to go elsewhere. */
export function deliverFigures(
  files: { readonly [kind in FigureFile]?: string | undefined },
  texts: { readonly [kind in FigureFile]?: () => string },
): boolean {
  let written = true;
  for (const [kind, text] of Object.entries(texts)) {
    const file = files[kind as FigureFile];
    if (file !== undefined) written = deliver(text(), file, kind) && written;
  }
  return written;
}
