// SPDX-License-Identifier: BSD-3-Clause
// The figures as JSON and CSV, and their delivery: what cannot be written to where it was wanted is
// written elsewhere, and the user is told where, so that no measured figure is lost.
import { requireWritable } from '../../src/user-file.ts';
import { deliverAs } from '../run/deliver.ts';
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
