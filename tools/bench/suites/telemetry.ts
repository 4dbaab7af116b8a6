// SPDX-License-Identifier: BSD-3-Clause
// The suite "telemetry": what a monitoring client costs the data path, paired with the same testpmd that
// is not polled.
import { wholeNumber } from '../../run/arguments.ts';
import { casesOf } from '../cases.ts';
import { casesOption, sizesOption } from '../options.ts';
import { compare } from '../paired-rounds.ts';
import { type RoundFigures, roundFigures } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { mpps, named, ratioColumns, type Sheet, tableOf, toDigits } from '../sheet.ts';
import { OurBackEnd } from '../sides/back-ends.ts';
import { PolledBackEnd } from '../sides/polled-back-end.ts';
import { defineSuite, type Plan, type Results } from '../suite.ts';

/** Rates of a testpmd that is polled, and of one that is not. */
export interface TelemetryRow extends RoundFigures {
  readonly case: string;
  readonly polled_mpps: number;
  readonly alone_mpps: number;
}

const DIRECTIONS = ['rx', 'tx', 'io', 'macswap', 'relay'] as const;

export const telemetry = defineSuite({
  name: 'telemetry',
  description: 'a testpmd whose telemetry is polled against one that is not polled, in alternating slices',
  notes: `A poll asks for the list of ports, and for stats, xstats, info and link status
of port 0. testpmd's main thread answers; it shares a CPU with the poll loop.`,
  options: (command) =>
    command
      .option('--interval <ms>', 'milliseconds from poll to poll', wholeNumber(1, 60_000), 100)
      .option(...casesOption(DIRECTIONS, ['rx', 'tx']))
      .option(...sizesOption([64])),
  cases: ({ cases, sizes }) => casesOf(cases, sizes),
  run: (plan, { interval }) => run(plan, interval),
  sheet: telemetrySheet,
  charts: (rows) => [
    pairChart({
      title: 'Polled by a client of telemetry, and not',
      sides: ['polled', 'alone'],
      rows,
    }),
  ],
});

async function run(plan: Plan, interval: number): Promise<Results<TelemetryRow>> {
  const { settings, workspace } = plan;
  const { rows, dpdkVersion } = await compare({
    ...plan,
    names: ['polled', 'alone'],
    createA: (wanted) => new PolledBackEnd(settings, wanted, workspace, interval),
    createB: (wanted) => new OurBackEnd(settings, wanted, workspace),
  });
  return {
    rows: rows.map((row) => ({
      ...{ case: row.case, polled_mpps: row.a, alone_mpps: row.b, ...roundFigures(row) },
    })),
    dpdkVersion,
  };
}

/** Three digits: the question is whether there is a difference at all. */
export function telemetrySheet(rows: readonly TelemetryRow[]): Sheet {
  return {
    tables: [
      tableOf(rows, [
        named('case', (row) => row.case),
        ...ratioColumns<TelemetryRow>('ratio', toDigits(3)),
        mpps('polled', (row) => row.polled_mpps),
        mpps('alone', (row) => row.alone_mpps),
      ]),
    ],
  };
}
