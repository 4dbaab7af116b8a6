// SPDX-License-Identifier: BSD-3-Clause
// The tests of RFC 2544 as sections of a page: a figure for each size of frames.
import { type Chart, chartSvg } from '../../charts/bars.ts';
import { type Curve, lineSvg, type Point } from '../../charts/lines.ts';
import { figureHtml, type HtmlTable, listHtml, tableHtml } from '../../charts/page.ts';
import { rateText } from '../plan/rate.ts';
import { percentText, us } from '../text.ts';
import { NOW, ratioText, shown, THEN } from './compared.ts';
import { type Json, numberAt, objectAt, objectsAt } from './json.ts';

/** A figure of a row, as a column of the table. */
interface Column {
  readonly name: string;
  of(row: Json): number | null;
  text(value: number): string;
  /** What is to be doubted of it. */
  doubt?(row: Json): string | undefined;
}

const DISTURBED = '(disturbed)';

const COLUMNS: readonly Column[] = [
  {
    name: 'throughput',
    of: (row) => numberAt(row, 'throughput'),
    text: rateText,
    doubt: (row) => (objectAt(row, 'search').reliable === false ? '(not reliable)' : undefined),
  },
  { name: 'most that is sent', of: (row) => numberAt(row, 'highest'), text: rateText },
  { name: 'latency p50 us', of: (row) => numberAt(row, 'latency.p50Ns'), text: us },
  { name: 'latency p99 us', of: (row) => numberAt(row, 'latency.p99Ns'), text: us },
  {
    name: 'loss at the most',
    of: (row) => numberAt(atMost(row), 'loss'),
    text: (value) => percentText(value, 1),
    doubt: (row) => (atMost(row).disturbed === true ? DISTURBED : undefined),
  },
  {
    name: 'unsent at the most',
    of: (row) => numberAt(atMost(row), 'unsent'),
    text: (value) => percentText(value, 1),
  },
  {
    name: 'back-to-back frames',
    of: (row) => numberAt(row, 'backToBack'),
    text: String,
    doubt: (row) => (row.backToBackDisturbed === true ? DISTURBED : undefined),
  },
];

const atMost = (row: Json): Json => objectsAt(row, 'loss')[0] ?? {};

/** The figure, with its doubt behind it. */
function cell({ of, text, doubt }: Column, row: Json): string {
  const value = of(row);
  const behind = value === null ? undefined : doubt?.(row);
  return [shown(value, text), ...(behind === undefined ? [] : [behind])].join(' ');
}

const sizeOf = (row: Json): string => shown(numberAt(row, 'size'), String);

export function rfc2544Sections(now: Json, then: Json | undefined): string {
  const rows = objectsAt(now, 'rfc2544');
  const before = new Map(
    (then === undefined ? [] : objectsAt(then, 'rfc2544')).map((row) => [sizeOf(row), row]),
  );
  const others = then === undefined ? undefined : rows.map((row) => before.get(sizeOf(row)) ?? {});
  return [
    ...disturbedNotes(rows, NOW),
    ...disturbedNotes(others ?? [], THEN),
    ...bars('Throughput (26.1)', 'Mpps', rows, others, (row) => scaled(numberAt(row, 'throughput'), 1e6)),
    ...bars('Latency at the throughput, p99 (26.2)', 'us', rows, others, (row) =>
      scaled(numberAt(row, 'latency.p99Ns'), 1000),
    ),
    ...lossChart(rows),
    '<h2>Figures</h2>',
    '<p>Sizes are with the frame check sequence, as in RFC 2544.</p>',
    tableHtml(plainTable(rows)),
    ...(others === undefined
      ? []
      : ['<h2>Beside the earlier run</h2>', tableHtml(comparedTable(rows, others))]),
  ].join('\n');
}

/** Of each size of `run` the trials in which the generator had lost its CPU. */
function disturbedNotes(rows: readonly Json[], run: string): string[] {
  const notes = rows.flatMap((row) => {
    const search = objectAt(row, 'search');
    const of = (steps: readonly Json[]) => {
      const disturbed = steps.filter((step) => step.disturbed === true).length;
      return disturbed === 0 ? [] : [`${disturbed} of ${steps.length} trials`];
    };
    const tests = [
      ...of(objectsAt(search, 'steps')).map((trials) => `throughput, ${trials}`),
      ...of(objectsAt(row, 'loss')).map((trials) => `frame loss, ${trials}`),
      ...(row.backToBackDisturbed === true ? ['back-to-back'] : []),
    ];
    return tests.length === 0 ? [] : [`${run}, ${sizeOf(row)} bytes: disturbed: ${tests.join('; ')}`];
  });
  return notes.length === 0 ? [] : [listHtml(notes)];
}

const scaled = (value: number | null, scale: number): number | null =>
  value === null ? null : value / scale;

/** Nothing where no row has the figure. */
function bars(
  title: string,
  unit: string,
  rows: readonly Json[],
  others: readonly Json[] | undefined,
  of: (row: Json) => number | null,
): string[] {
  const values = (of_: readonly Json[]) =>
    of_.map((row) => {
      const value = of(row);
      return value === null ? null : { median: value, min: value, max: value };
    });
  const series = [
    { name: NOW, values: values(rows) },
    ...(others === undefined ? [] : [{ name: THEN, values: values(others) }]),
  ];
  if (series.every((each) => each.values.every((value) => value === null))) return [];
  const chart: Chart = { title, unit, groups: rows.map(sizeOf), series };
  return [figureHtml(chartSvg(chart))];
}

function lossChart(rows: readonly Json[]): string[] {
  const curves = rows.flatMap((row): Curve[] => {
    const points = objectsAt(row, 'loss').flatMap((each): Point[] => {
      const [share, loss] = [numberAt(each, 'share'), numberAt(each, 'loss')];
      return share === null || loss === null ? [] : [[100 * share, 100 * loss]];
    });
    return points.length === 0 ? [] : [{ name: sizeOf(row), points }];
  });
  if (curves.length === 0) return [];
  const title = 'Frame loss (26.3), by size';
  return [figureHtml(lineSvg({ title, unit: '%', across: '% of the most that is sent', curves }))];
}

function plainTable(rows: readonly Json[]): HtmlTable {
  return {
    head: ['size', ...COLUMNS.map(({ name }) => name)],
    rows: rows.map((row) => [sizeOf(row), ...COLUMNS.map((column) => cell(column, row))]),
  };
}

/** A line for each figure of each size that both runs have. */
function comparedTable(rows: readonly Json[], others: readonly Json[]): HtmlTable {
  const lines = rows.flatMap((row, i) =>
    COLUMNS.flatMap((column) => {
      const then = others[i] as Json;
      const [own, other] = [column.of(row), column.of(then)];
      if (own === null || other === null) return [];
      const name = `${sizeOf(row)} bytes, ${column.name}`;
      return [[name, cell(column, row), cell(column, then), ratioText(own, other)]];
    }),
  );
  return { head: ['', NOW, THEN, 'ratio'], rows: lines };
}
