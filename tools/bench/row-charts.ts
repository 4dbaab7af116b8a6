// SPDX-License-Identifier: BSD-3-Clause
// Charts of rows that compare two sides round by round: a bar for the median of a side, an error bar from its
// slowest to its fastest round.
import type { Chart } from '../charts/bars.ts';
import { type Spread, spread } from './instruments/statistics.ts';
import type { RoundFigures } from './report.ts';

export interface PairChart<Row> {
  readonly title: string;
  /** Names of the sides, in the order of a row's rounds. */
  readonly sides: readonly [string, string];
  readonly rows: readonly Row[];
  /** What a row is called; by default, as its case. */
  readonly label?: (row: Row) => string;
}

export const pairChart = <Row extends RoundFigures & { readonly case: string }>({
  title,
  sides,
  rows,
  label = (row) => row.case,
}: PairChart<Row>): Chart =>
  withMarks(rows, {
    ...{ title, unit: 'Mpps', groups: rows.map(label) },
    series: sides.map((name, side) => ({ name, values: rows.map((row) => ofSide(row, side as 0 | 1)) })),
  });

const NOTE = '* disturbed: something else used a CPU, or the machine changed its speed';

/** The groups of disturbed rows bear the star that the tables have, and a note explains it. */
export function withMarks(rows: readonly { readonly disturbed: boolean }[], chart: Chart): Chart {
  if (rows.every(({ disturbed }) => !disturbed)) return chart;
  const groups = chart.groups.map((name, at) => (rows[at]?.disturbed ? `${name}*` : name));
  return { ...chart, groups, note: NOTE };
}

export const ofSide = ({ rounds }: RoundFigures, side: 0 | 1): Spread | null =>
  rounds.length === 0 ? null : spread(rounds.map(({ mpps }) => mpps[side]));

/** Whether a row has the figures of rounds, whatever its suite. */
export const hasRounds = (row: unknown): row is RoundFigures & { readonly case: string } => {
  const { rounds } = row as Partial<RoundFigures>;
  if (!Array.isArray(rounds) || rounds.length === 0) return false;
  return rounds.every((round) => Array.isArray((round as { mpps?: unknown }).mpps));
};
