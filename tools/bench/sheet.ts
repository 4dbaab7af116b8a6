// SPDX-License-Identifier: BSD-3-Clause
// What was measured, as data to be shown: tables whose columns have names and units, and notes. A terminal
// gets it from sheet-text.ts, a page from document/sheet-html.ts.
import { type RoundFigures, shownRatio } from './report.ts';

export interface Column {
  readonly name: string;
  /** Of its figures; the head has it after the name. */
  readonly unit?: string;
  /** It has words, which stand on the left; figures stand on the right. */
  readonly words?: true;
  /** A figure as text; with two digits after the point if left out. */
  readonly text?: (value: number) => string;
}

export interface Cell {
  /** A figure, or words; undefined where something was not measured. */
  readonly value: number | string | undefined;
  /** It bears a star, as the row was disturbed. */
  readonly marked: boolean;
}

export interface Table {
  readonly title?: string;
  readonly columns: readonly Column[];
  /** As many cells each as there are columns. */
  readonly rows: readonly (readonly Cell[])[];
  /** Below the table. */
  readonly notes?: readonly string[];
}

export interface Sheet {
  readonly tables: readonly Table[];
  /** Below all of them. */
  readonly notes?: readonly string[];
}

/** A column, and where its cells come from. */
export interface ColumnOf<Row> extends Column {
  readonly of: (row: Row) => number | string | null | undefined;
  readonly marked?: (row: Row) => boolean;
}

export const tableOf = <Row>(
  rows: readonly Row[],
  columns: readonly ColumnOf<Row>[],
  around: Pick<Table, 'title' | 'notes'> = {},
): Table => ({
  columns: columns.map(({ of: _, marked: __, ...column }) => column),
  rows: rows.map((row) =>
    columns.map(({ of, marked }) => ({ value: known(of(row)), marked: marked?.(row) ?? false })),
  ),
  ...around,
});

/** No number is no figure. */
const known = (value: number | string | null | undefined): Cell['value'] =>
  value === null || Number.isNaN(value) ? undefined : value;

export const toDigits = (digits: number) => (value: number) => value.toFixed(digits);

/** The column of what a row is called. */
export const named = <Row>(name: string, of: (row: Row) => string): ColumnOf<Row> => ({
  ...{ name, of, words: true },
});

/** The column of a side's packets per second. */
export const mpps = <Row>(name: string, of: (row: Row) => number | undefined): ColumnOf<Row> => ({
  ...{ name, unit: 'Mpps', of },
});

/** Median, which bears the mark, minimum and maximum of the rounds' ratios, where these say something. */
export const ratioColumns = <Row extends Pick<RoundFigures, 'ratio' | 'rounds' | 'disturbed'>>(
  name = 'ratio',
  text = toDigits(2),
): ColumnOf<Row>[] => [
  {
    ...{ name: `${name}: median`, text },
    of: (row) => shownRatio(row)?.median,
    marked: ({ disturbed }) => disturbed,
  },
  { name: 'min', text, of: (row) => shownRatio(row)?.min },
  { name: 'max', text, of: (row) => shownRatio(row)?.max },
];

export const headText = ({ name, unit }: Column): string => (unit === undefined ? name : `${name} ${unit}`);

export function cellText({ text = toDigits(2) }: Column, { value, marked }: Cell): string {
  const shown = typeof value === 'number' ? text(value) : (value ?? '-');
  return marked ? `${shown}*` : shown;
}

/** Explains the marks of a sheet; undefined if it has none. */
export function footnote({ tables }: Sheet): string | undefined {
  const marked = tables.flatMap(({ rows }) => rows.flat().filter((cell) => cell.marked));
  if (marked.length === 0) return undefined;
  return marked.some(({ value }) => value === undefined) ? `${DISTURBED}; ${CONTRADICTED}` : DISTURBED;
}

const DISTURBED =
  '* disturbed: another process used the CPU of a side in some round, or the machine changed its speed; repeating did not help';
const CONTRADICTED = 'no ratio (-*) where the slices contradict the rates';
