// SPDX-License-Identifier: BSD-3-Clause
// The tests of RFC 2544 as sections of a page: a figure for each size of frames.
import { type Chart, chartSvg } from '../../charts/bars.ts';
import { type Curve, lineSvg, type Point } from '../../charts/lines.ts';
import { figureHtml, type HtmlTable, tableHtml } from '../../charts/page.ts';
import { rateText } from '../plan/rate.ts';
import { percentText, us } from '../text.ts';
import { NOW, ratioText, shown, THEN } from './compared.ts';
import { type Json, numberAt, objectsAt } from './json.ts';

/** A figure of a row, as a column of the table. */
interface Column {
  readonly name: string;
  of(row: Json): number | null;
  text(value: number): string;
}

const COLUMNS: readonly Column[] = [
  { name: 'throughput', of: (row) => numberAt(row, 'throughput'), text: rateText },
  { name: 'most that is sent', of: (row) => numberAt(row, 'highest'), text: rateText },
  { name: 'latency p50 us', of: (row) => numberAt(row, 'latency.p50Ns'), text: us },
  { name: 'latency p99 us', of: (row) => numberAt(row, 'latency.p99Ns'), text: us },
  { name: 'loss at the most', of: lossAtMost, text: (value) => percentText(value, 1) },
  { name: 'back-to-back frames', of: (row) => numberAt(row, 'backToBack'), text: String },
];

function lossAtMost(row: Json): number | null {
  const [first] = objectsAt(row, 'loss');
  return first === undefined ? null : numberAt(first, 'loss');
}

const sizeOf = (row: Json): string => shown(numberAt(row, 'size'), String);

export function rfc2544Sections(now: Json, then: Json | undefined): string {
  const rows = objectsAt(now, 'rfc2544');
  const before = new Map(
    (then === undefined ? [] : objectsAt(then, 'rfc2544')).map((row) => [sizeOf(row), row]),
  );
  const others = then === undefined ? undefined : rows.map((row) => before.get(sizeOf(row)) ?? {});
  return [
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
    rows: rows.map((row) => [sizeOf(row), ...COLUMNS.map(({ of, text }) => shown(of(row), text))]),
  };
}

/** A line for each figure of each size that both runs have. */
function comparedTable(rows: readonly Json[], others: readonly Json[]): HtmlTable {
  const lines = rows.flatMap((row, i) =>
    COLUMNS.flatMap(({ name, of, text }) => {
      const [own, other] = [of(row), of(others[i] as Json)];
      if (own === null || other === null) return [];
      return [[`${sizeOf(row)} bytes, ${name}`, text(own), text(other), ratioText(own, other)]];
    }),
  );
  return { head: ['', NOW, THEN, 'ratio'], rows: lines };
}
