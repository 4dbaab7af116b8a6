// SPDX-License-Identifier: BSD-3-Clause
// The suite "in-place": packets written or moved in the peer's own buffers, paired with the same driver
// copying them through mbufs.
import { casesOf } from '../cases.ts';
import { casesOption, sizesOption } from '../options.ts';
import { compare } from '../paired-rounds.ts';
import { type RoundFigures, roundFigures } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { mpps, named, ratioColumns, type Sheet, tableOf } from '../sheet.ts';
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
  sheet: inPlaceSheet,
  charts: (rows) => [
    pairChart({
      title: "In the peer's own buffers, and through mbufs",
      sides: ['in place', 'copying'],
      rows,
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

export function inPlaceSheet(rows: readonly InPlaceRow[]): Sheet {
  return {
    tables: [
      tableOf(rows, [
        named('case', (row) => row.case),
        ...ratioColumns<InPlaceRow>(),
        mpps('in place', (row) => row.in_place_mpps),
        mpps('copying', (row) => row.copying_mpps),
      ]),
    ],
  };
}
