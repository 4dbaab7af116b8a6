// SPDX-License-Identifier: BSD-3-Clause
// Rows of different suites beside each other, and two runs beside each other.
import type { Spread } from '../instruments/statistics.ts';
import { fixed, type RoundFigures, shownRatio } from '../report.ts';
import { hasRounds, ofSide } from '../row-charts.ts';
import { footnote, named, type Sheet, type Table, tableOf } from '../sheet.ts';
import { commandOf, type RunFile, type RunStep } from './run-file.ts';

type Row = RoundFigures & {
  readonly case: string;
  readonly flows?: string;
  readonly mode?: string;
  readonly rfc?: string;
};

const rowsOf = ({ cases }: RunStep): Row[] => cases.flatMap(({ rows }) => rows.filter(hasRounds));

/** What a row is called in its suite. */
const labelOf = ({ case: name, flows, mode, rfc }: Row): string =>
  [name, flows, mode, rfc].filter(Boolean).join(' ');

interface Path {
  readonly name: string;
  readonly suite: string;
  /** The case at 64 bytes for each way, and the rows that count. */
  readonly cases: Readonly<Record<string, string>>;
  readonly counts: (row: Row, step: RunStep) => boolean;
}

/** Of this driver. */
const WAYS = ['receive', 'send', 'both ways, each'] as const;
const PATHS: readonly Path[] = [
  {
    name: 'net_vhost',
    suite: 'loopback',
    cases: { [WAYS[0]]: 'rx-64', [WAYS[1]]: 'tx-64', [WAYS[2]]: 'io-64' },
    counts: (_, { args }) => args.includes('--copying') && !args.includes('--packed'),
  },
  {
    name: 'OVS+DPDK',
    suite: 'ovs',
    cases: { [WAYS[0]]: 'to-pmd-64', [WAYS[1]]: 'from-pmd-64', [WAYS[2]]: 'both-64' },
    counts: ({ flows }) => flows === 'fixed',
  },
  ...(['2.0', '2.1'] as const).map((version) => ({
    name: `net_memif (ours: RFC ${version})`,
    suite: 'memif',
    cases: { [WAYS[0]]: 'rx-64', [WAYS[1]]: 'tx-64' },
    counts: ({ mode, rfc }: Row) => mode === 'copying' && rfc === version,
  })),
];

/** Undefined when nothing of it was measured. */
export function sideBySide(run: RunFile): Sheet | undefined {
  const found = WAYS.flatMap((way) =>
    PATHS.flatMap(({ name, suite, cases, counts }) =>
      run.steps
        .filter((step) => step.suite === suite)
        .flatMap((step) => rowsOf(step).filter((row) => row.case === cases[way] && counts(row, step)))
        .slice(0, 1)
        .map((row) => ({ way, name, row })),
    ),
  );
  if (found.length === 0) return undefined;
  const table = tableOf(found, [
    named('64 bytes, two CPUs', ({ way }) => way),
    named('compared with', ({ name }) => name),
    {
      ...{ name: 'ratio', of: ({ row }) => withRange(shownRatio(row), row) },
      marked: ({ row }) => row.disturbed,
    },
    { name: 'vhost-pci', unit: 'Mpps', of: ({ row }) => withRange(ofSide(row, 0), row) },
    { name: 'other', unit: 'Mpps', of: ({ row }) => withRange(ofSide(row, 1), row) },
  ]);
  return withFootnote(table);
}

/** A single round has no range. */
function withRange(value: Spread | null | undefined, { rounds }: RoundFigures): string | undefined {
  if (!value) return undefined;
  const range = rounds.length > 1 ? ` (${fixed(value.min)} to ${fixed(value.max)})` : '';
  return `${fixed(value.median)}${range}`;
}

/** A row that both runs have. */
interface Pair {
  readonly suite: string;
  readonly row: Row;
  /** As it was in the earlier run. */
  readonly old: Row;
}

/** Each row that both runs have: the ratios then and now. Undefined when there is none. */
export function againstRun(now: RunFile, then: RunFile): Sheet | undefined {
  const pairs = now.steps.flatMap((step) => {
    const earlier = then.steps.find((each) => commandOf(each) === commandOf(step));
    const known = new Map(earlier === undefined ? [] : rowsOf(earlier).map((row) => [labelOf(row), row]));
    return rowsOf(step).flatMap((row): Pair[] => {
      const old = known.get(labelOf(row));
      return old === undefined ? [] : [{ suite: step.suite, row, old }];
    });
  });
  if (pairs.length === 0) return undefined;
  const table = tableOf(pairs, [
    named('suite', ({ suite }) => suite),
    named('case', ({ row }) => labelOf(row)),
    { name: 'Mpps then', of: ({ old }) => ofSide(old, 0)?.median },
    { name: 'now', of: ({ row }) => ofSide(row, 0)?.median },
    {
      name: 'ratio then',
      of: ({ old }) => withRange(shownRatio(old), old),
      marked: ({ old }) => old.disturbed,
    },
    { name: 'now', of: ({ row }) => withRange(shownRatio(row), row), marked: ({ row }) => row.disturbed },
    { name: 'change', of: changeText },
  ]);
  return withFootnote(table);
}

function withFootnote(table: Table): Sheet {
  const below = footnote({ tables: [table] });
  return { tables: [table], ...(below !== undefined && { notes: [below] }) };
}

function changeText({ row, old }: Pair): string | undefined {
  const [now, then] = [shownRatio(row), shownRatio(old)];
  if (now === undefined || then === undefined) return undefined;
  const percent = Math.round(100 * (now.median / then.median - 1));
  const apart = now.min > then.max || now.max < then.min;
  return `${percent > 0 ? '+' : ''}${percent} %${apart ? '' : ' (ranges overlap)'}`;
}
