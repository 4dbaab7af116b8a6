// SPDX-License-Identifier: BSD-3-Clause
// The suite "loopback": the same peer against our driver and against DPDK's net_vhost.
import { type Case, casesOf, DIRECTIONS } from '../cases.ts';
import { measure } from '../measure.ts';
import { COPIES_ANYWAY } from '../option-checks.ts';
import { againstOption, casesOption, copyingOption, sizesOption } from '../options.ts';
import { compare } from '../paired-rounds.ts';
import { type RoundFigures, roundFigures } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { mpps, named, ratioColumns, type Sheet, tableOf, toDigits } from '../sheet.ts';
import { NetVhostBackEnd, OurBackEnd } from '../sides/back-ends.ts';
import { defineSuite, type Plan, type Results } from '../suite.ts';

export interface LoopbackRow extends RoundFigures {
  readonly case: string;
  /** Medians of the rounds in Mpps. */
  readonly ours_mpps: number;
  readonly theirs_mpps: number;
  /** TSC cycles of our bursts that moved packets, divided by the number of packets. */
  readonly ours_cycles_per_packet?: number;
}

export const loopback = defineSuite({
  name: 'loopback',
  description: "the same peer against this driver and against DPDK's net_vhost, in alternating slices",
  notes: `On our side, macswap runs in TypeScript. relay is io between two ports, each
with a driver of the peer at its other end; without --copying, our driver copies
each packet once, from peer to peer.`,
  needsDpdk: () => true,
  options: (command) =>
    command
      .addOption(againstOption())
      .option(...casesOption(DIRECTIONS, ['rx', 'tx', 'io']))
      .addOption(copyingOption())
      .option(...sizesOption([64, 512, 1518])),
  rules: [COPIES_ANYWAY],
  cases: ({ cases, sizes }) => casesOf(cases, sizes),
  overhead: () => ({ perCase: 2, perRound: 6 }),
  run,
  sheet: loopbackSheet,
  charts: (rows) => [
    pairChart({
      title: 'One driver, two back-ends: this driver and net_vhost',
      sides: ['vhost-pci', 'net_vhost'],
      rows,
    }),
  ],
});

async function run(plan: Plan): Promise<Results<LoopbackRow>> {
  const { settings, cases, workspace } = plan;
  const { rows, dpdkVersion } = await compare({
    ...plan,
    names: ['ours', 'net_vhost'],
    createA: (wanted) => new OurBackEnd(settings, wanted, workspace),
    createB: (wanted) => new NetVhostBackEnd(settings, wanted, workspace),
  });
  const counted: LoopbackRow[] = [];
  for (const [index, row] of rows.entries()) {
    const cycles = plan.signal?.aborted ? undefined : await countCycles(plan, cases[index] as Case);
    counted.push({
      ...{ case: row.case, ours_mpps: row.a, theirs_mpps: row.b, ...roundFigures(row) },
      ...(cycles === undefined ? {} : { ours_cycles_per_packet: cycles }),
    });
  }
  return { rows: counted, dpdkVersion };
}

/**
 * A separate run: counting costs two calls into the addon per burst, and net_vhost does not count in the
 * rounds either.
 */
async function countCycles({ settings, workspace }: Plan, wanted: Case): Promise<number | undefined> {
  const counted = await measure(
    settings,
    wanted,
    () => new OurBackEnd(settings, wanted, workspace, ['--record-core-cycles']),
    workspace,
  );
  return counted.cyclesPerPacket;
}

export function loopbackSheet(rows: readonly LoopbackRow[]): Sheet {
  return {
    tables: [
      tableOf(rows, [
        named('case', (row) => row.case),
        ...ratioColumns<LoopbackRow>(),
        mpps('ours', (row) => row.ours_mpps),
        mpps('net_vhost', (row) => row.theirs_mpps),
        { name: 'our cycles/packet', of: (row) => row.ours_cycles_per_packet, text: toDigits(0) },
      ]),
    ],
  };
}
