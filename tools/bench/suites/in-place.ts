// SPDX-License-Identifier: BSD-3-Clause
// The suite "in-place": packets written or moved in the peer's own buffers, paired with the same driver
// copying them through mbufs.
import { casesOf } from '../cases.ts';
import { casesOption, sizesOption } from '../options.ts';
import { compare } from '../paired-rounds.ts';
import { fixed, type RoundFigures, render, roundFigures, spreadCells } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { OurBackEnd } from '../sides/back-ends.ts';
import { defineSuite, type Plan, type Results } from '../suite.ts';

/** Rates of working in the peer's own buffers and of copying from or to mbufs. */
export interface InPlaceRow extends RoundFigures {
  readonly case: string;
  readonly in_place_mpps: number;
  readonly copying_mpps: number;
}

/** The directions that io and txonly can work without mbufs. */
const DIRECTIONS = ['tx', 'io', 'relay'] as const;

export const inPlace = defineSuite({
  name: 'in-place',
  description: "working in the peer's own buffers against copying through mbufs, in alternating slices",
  notes: `In place, txonly writes only the headers and leaves the payload as it is;
copying, it copies whole frames.`,
  options: (command) =>
    command.option(...casesOption(DIRECTIONS, ['tx', 'io'])).option(...sizesOption([64, 512, 1518])),
  cases: ({ cases, sizes }) => casesOf(cases, sizes),
  run,
  table: inPlaceTable,
  charts: (rows) => [
    pairChart({
      title: "In the peer's own buffers, and through mbufs",
      sides: ['in place', 'copying'],
      rows: rows.map((row) => ({ label: row.case, figures: row })),
    }),
  ],
});

async function run(plan: Plan): Promise<Results<InPlaceRow>> {
  const { settings, workspace } = plan;
  const { rows, dpdkVersion } = await compare({
    ...plan,
    names: ['in place', 'copying'],
    createA: (wanted) => new OurBackEnd({ ...settings, copying: false }, wanted, workspace),
    createB: (wanted) => new OurBackEnd({ ...settings, copying: true }, wanted, workspace),
  });
  return {
    rows: rows.map((row) => ({
      ...{ case: row.case, in_place_mpps: row.a, copying_mpps: row.b, ...roundFigures(row) },
    })),
    dpdkVersion,
  };
}

export function inPlaceTable(rows: readonly InPlaceRow[]): string {
  return render(
    ['case', 'in place Mpps', 'copying Mpps', 'ratio: median', 'min', 'max'],
    rows.map(({ case: name, in_place_mpps, copying_mpps, ratio, disturbed }) => [
      ...[name, fixed(in_place_mpps), fixed(copying_mpps), ...spreadCells(ratio, disturbed)],
    ]),
  );
}
