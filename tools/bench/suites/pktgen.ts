// SPDX-License-Identifier: BSD-3-Clause
// The suite "pktgen": whether the packet generator is as exact as it says, and as fast as DPDK's.
import { InvalidArgumentError } from '@commander-js/extra-typings';
import type { Chart } from '../../charts/bars.ts';
import { parseRate } from '../../pktgen/plan/rate.ts';
import { wordList } from '../../run/arguments.ts';
import type { Case } from '../cases.ts';
import { type LatencyStatsRow, latencyStatsTable, measureLatencyStats } from '../generator/latency-stats.ts';
import { measureNdr, type NdrRow, ndrTable } from '../generator/ndr.ts';
import { measureRate, type RateRow, ratesTable } from '../generator/rates.ts';
import { measureReplay, type ReplayRow, replayTable } from '../generator/replay.ts';
import { sizesOption } from '../options.ts';
import { compare } from '../paired-rounds.ts';
import { type RoundFigures, roundFigures } from '../report.ts';
import { pairChart, withMarks } from '../row-charts.ts';
import { mpps, named, ratioColumns, type Sheet, type Table, tableOf } from '../sheet.ts';
import { NetVhostBackEnd } from '../sides/back-ends.ts';
import { GeneratorBackEnd } from '../sides/generator.ts';
import { defineSuite, type Plan, type Results } from '../suite.ts';

const FIGURES = ['rates', 'replay', 'ndr', 'max', 'latency'] as const;
type Figure = (typeof FIGURES)[number];
const RATES = ['1kpps', '10kpps', '100kpps', '1mpps', '5mpps', '90%max'];

/** The generator at its fastest against DPDK's txonly, to the same peer. */
interface MaxRow extends RoundFigures {
  readonly figure: 'max';
  readonly case: string;
  readonly ours_mpps: number;
  readonly txonly_mpps: number;
}

export type PktgenRow = RateRow | ReplayRow | NdrRow | MaxRow | LatencyStatsRow;

export const pktgen = defineSuite({
  name: 'pktgen',
  description: 'the packet generator: exact rates and gaps, replay, searches, its maximum, its latencies',
  notes: `rates: each for --seconds, to a peer that only receives. replay: a capture to
the far end of another generator. ndr: the search, on a peer that drops above 1
Mpps. max: against DPDK's testpmd, txonly on net_vhost, in alternating slices,
counted by the peer. latency: against DPDK's --latencystats, of frames that its
testpmd holds back, for 2 s at least. A round that something disturbs is
repeated once. --sizes are those of rates and max; --peer, --queue-size and
--packed are of max.`,
  options: (command) =>
    command
      .option('--figures <list>', `any of ${FIGURES.join(', ')}`, wordList(FIGURES), [...FIGURES] as Figure[])
      .option('--rates <list>', "as the generator's --rate", rateList, RATES)
      .option(...sizesOption([64])),
  needsDpdk: ({ figures }) => figures.includes('max') || figures.includes('latency'),
  rules: [
    {
      applies: ({ figures }) => !figures.includes('rates'),
      keys: ['rates'],
      because: 'of the figure rates, which --figures leaves out',
    },
    {
      applies: ({ figures }) => !figures.includes('rates') && !figures.includes('max'),
      keys: ['sizes'],
      because: 'of the figures rates and max, which --figures leaves out',
    },
    {
      applies: ({ figures }) => !figures.includes('max'),
      keys: ['peer', 'queueSize', 'packed'],
      because: 'of the figure max, which --figures leaves out',
    },
    {
      applies: ({ figures }) => figures.every((figure) => figure === 'latency'),
      keys: ['huge'],
      because: 'the figure latency uses no hugepages anyway',
    },
  ],
  cases: ({ figures, rates, sizes }) =>
    figures.flatMap((figure) => {
      const names = figure === 'rates' ? rates.map((rate) => `rates ${rate}`) : [figure];
      const sized = figure === 'rates' || figure === 'max' ? sizes : [sizes[0] ?? 64];
      return names.flatMap((name) => sized.map((size) => caseOf(name, size, sized.length > 1)));
    }),
  overhead: () => ({ perRound: 4 }),
  run,
  sheet: pktgenSheet,
  charts: pktgenCharts,
});

function rateList(text: string): string[] {
  return text.split(',').map((rate) => {
    try {
      if (parseRate(rate, 'rate').kind !== 'max') return rate;
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
    throw new InvalidArgumentError("'max' is no rate that could be missed; the figure max measures it.");
  });
}

const caseOf = (name: string, size: number, several: boolean): Case => ({
  name: several ? `${name}, ${size} bytes` : name,
  direction: 'tx',
  size,
});

async function run(plan: Plan): Promise<Results<PktgenRow>> {
  const rows: PktgenRow[] = [];
  let dpdkVersion: string | undefined;
  for (const wanted of plan.cases) {
    const { row, version } = await measureCase(plan, wanted);
    rows.push(row);
    dpdkVersion ??= version;
  }
  return { rows, dpdkVersion };
}

async function measureCase(
  plan: Plan,
  wanted: Case,
): Promise<{ row: PktgenRow; version?: string | undefined }> {
  const [figure, rate = ''] = wanted.name.replace(/,.*/, '').split(' ');
  switch (figure as Figure) {
    case 'rates':
      return { row: await measureRate(plan, wanted.name.replace('rates ', ''), rate, wanted.size) };
    case 'replay':
      return { row: await measureReplay(plan) };
    case 'ndr':
      return { row: await measureNdr(plan) };
    case 'max':
      return measureMax(plan, wanted);
    case 'latency': {
      const { row, dpdkVersion } = await measureLatencyStats(plan);
      return { row, version: dpdkVersion };
    }
  }
}

async function measureMax(plan: Plan, wanted: Case): Promise<{ row: MaxRow; version: string | undefined }> {
  const { settings, workspace } = plan;
  const { rows, dpdkVersion } = await compare({
    ...{ ...plan, cases: [wanted], names: ['pktgen', 'txonly'] },
    createA: () => new GeneratorBackEnd(settings, wanted, workspace),
    createB: () => new NetVhostBackEnd(settings, wanted, workspace),
  });
  const [row] = rows;
  if (row === undefined) throw new RangeError('no rounds');
  const figures = { ours_mpps: row.a, txonly_mpps: row.b, ...roundFigures(row) };
  return { row: { figure: 'max', case: wanted.name, ...figures }, version: dpdkVersion };
}

const only = <F extends Figure>(rows: readonly PktgenRow[], figure: F) =>
  rows.filter((row): row is Extract<PktgenRow, { figure: F }> => row.figure === figure);

export function pktgenSheet(rows: readonly PktgenRow[]): Sheet {
  return {
    tables: [
      ratesTable(only(rows, 'rates')),
      replayTable(only(rows, 'replay')),
      ndrTable(only(rows, 'ndr')),
      maxTable(only(rows, 'max')),
      latencyStatsTable(only(rows, 'latency')),
    ].filter((table) => table.rows.length > 0),
  };
}

const maxTable = (rows: readonly MaxRow[]): Table =>
  tableOf(
    rows,
    [
      named('maximum', (row) => row.case),
      ...ratioColumns<MaxRow>(),
      mpps('pktgen', (row) => row.ours_mpps),
      mpps('txonly', (row) => row.txonly_mpps),
    ],
    {
      title:
        "The most that is sent, both to the virtio-net driver that --peer names: by default, DPDK's testpmd",
    },
  );

function pktgenCharts(rows: readonly PktgenRow[]): Chart[] {
  const rates = only(rows, 'rates');
  const inPercent = ({ error: { median, min, max } }: RateRow) => ({
    ...{ median: 100 * median, min: 100 * min, max: 100 * max },
  });
  return [
    withMarks(rates, {
      ...{ title: 'The generator: rates are missed by', unit: '%', groups: rates.map((row) => row.case) },
      series: [{ name: 'vhost-pci-pktgen', values: rates.map(inPercent) }],
    }),
    pairChart({
      title: 'The generator at its fastest, and txonly',
      sides: ['pktgen', 'txonly'],
      rows: only(rows, 'max'),
    }),
  ].filter(({ groups }) => groups.length > 0);
}
