// SPDX-License-Identifier: BSD-3-Clause
// Rows of different suites beside each other, and two runs beside each other.
import type { Spread } from '../instruments/statistics.ts';
import { fixed, footnote, mark, type RoundFigures, render } from '../report.ts';
import { hasRounds, ofSide } from '../row-charts.ts';
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

const WAYS = ['from the virtio-net guest', 'to the virtio-net guest', 'both ways, each'] as const;
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
    name: `net_memif, against RFC ${version}`,
    suite: 'memif',
    cases: { [WAYS[0]]: 'rx-64', [WAYS[1]]: 'tx-64' },
    counts: ({ mode, rfc }: Row) => mode === 'copying' && rfc === version,
  })),
];

/** Undefined when nothing of it was measured. */
export function sideBySide(run: RunFile): string | undefined {
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
  const lines = found.map(({ way, name, row }) => [
    ...[way, name, withRange(ofSide(row, 1), row), withRange(ofSide(row, 0), row)],
    mark(withRange(row.ratio, row), row.disturbed),
  ]);
  const head = ['64 bytes, two CPUs', 'path', 'its Mpps', 'vhost-pci Mpps', 'ratio'];
  return withFootnote(
    render(head, lines, [0, 1]),
    found.map(({ row }) => row),
  );
}

const withFootnote = (table: string, rows: readonly Row[]): string =>
  [table, footnote(rows)].filter(Boolean).join('\n');

/** A single round has no range. */
function withRange(value: Spread | null, { rounds }: RoundFigures): string {
  if (value === null) return '-';
  const range = rounds.length > 1 ? ` (${fixed(value.min)} to ${fixed(value.max)})` : '';
  return `${fixed(value.median)}${range}`;
}

/** Each row that both runs have: the ratios then and now. Undefined when there is none. */
export function againstRun(now: RunFile, then: RunFile): string | undefined {
  const lines = now.steps.flatMap((step) => {
    const earlier = then.steps.find((each) => commandOf(each) === commandOf(step));
    const known = new Map(earlier === undefined ? [] : rowsOf(earlier).map((row) => [labelOf(row), row]));
    return rowsOf(step).flatMap((row) => {
      const old = known.get(labelOf(row));
      return old === undefined ? [] : [comparedLine(step.suite, row, old)];
    });
  });
  if (lines.length === 0) return undefined;
  const head = ['suite', 'case', 'Mpps then', 'now', 'ratio then', 'now', 'change'];
  return render(head, lines, [0, 1]);
}

function comparedLine(suite: string, now: Row, then: Row): string[] {
  const change = now.ratio.median / then.ratio.median - 1;
  const apart = now.ratio.min > then.ratio.max || now.ratio.max < then.ratio.min;
  return [
    ...[suite, labelOf(now), fixed(ofSide(then, 0)?.median), fixed(ofSide(now, 0)?.median)],
    ...[withRange(then.ratio, then), withRange(now.ratio, now)],
    `${change < 0 ? '' : '+'}${(100 * change).toFixed(0)} %${apart ? '' : ' (ranges overlap)'}`,
  ];
}
