// SPDX-License-Identifier: BSD-3-Clause
// The figures as JSON, CSV and .hgrm, and their delivery: what cannot be written to where it was wanted is
// written elsewhere, and the user is told where, so that no measured figure is lost.
import { writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failedTo } from '../../src/errors.ts';
import { requireWritable, writeText } from '../../src/user-file.ts';
import { tell } from '../run/output.ts';
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

export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

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

/** Lines as one text. */
export const deliverable = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** Whether figures go to standard output, where nothing else may then. */
export const figuresOnStdout = ({
  json,
  csv,
}: {
  json?: string | undefined;
  csv?: string | undefined;
}): boolean => json === '-' || csv === '-';

/** Checked before the run: better now than after it. */
export function requireFigures(file: string | undefined): void {
  if (file !== undefined && file !== '-') requireWritable(file, 'the figures');
}

/**
 * Writes `text` to a file, or '-', standard output. If that fails, to the first that takes it: a file in the
 * working directory, one among the temporary files, standard output, standard error. Returns false then.
 */
export function deliver(text: string, file: string, kind: string): boolean {
  const name = `vhost-pci-pktgen-${process.pid}.${kind}`;
  const spare: (readonly [string, () => void])[] = [
    [name, () => writeText(name, text)],
    [join(tmpdir(), name), () => writeText(join(tmpdir(), name), text)],
    ['standard output', () => writeAll(1, text)],
    ['standard error', () => writeAll(2, text)],
  ];
  try {
    if (file === '-') writeAll(1, text);
    else writeText(file, text);
    return true;
  } catch (error) {
    const { message } = file === '-' ? failedTo('write standard output', error) : (error as Error);
    for (const [place, write] of spare) {
      try {
        write();
        tell(`vhost-pci-pktgen: ${message}; the figures went to ${place}`);
        return false;
      } catch {
        // The next place.
      }
    }
    return false;
  }
}

/** A pipe may take a part at a time. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}
