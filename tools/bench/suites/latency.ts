// SPDX-License-Identifier: BSD-3-Clause
// The suite "latency": round-trip time of frames through our driver and through DPDK's net_vhost, at the same
// load, in alternating slices.
import { Option } from '@commander-js/extra-typings';
import { native } from '../../../src/native.ts';
import type { Chart } from '../../charts/bars.ts';
import type { LatencyBucket } from '../../peer/latency.ts';
import { share, wholeNumber } from '../../run/arguments.ts';
import { type Case, casesOf } from '../cases.ts';
import { waitForQuiet } from '../instruments/cpu-share.ts';
import { median, pairedRatio, type Spread, spread } from '../instruments/statistics.ts';
import { roundsUntil } from '../interruption.ts';
import { disturbance, measure } from '../measure.ts';
import { againstOption, sizesOption } from '../options.ts';
import { withMarks } from '../row-charts.ts';
import { type Settings, SLICE_SECONDS } from '../settings.ts';
import { named, type Sheet, type Table, tableOf, toDigits } from '../sheet.ts';
import { NetVhostBackEnd, OurBackEnd } from '../sides/back-ends.ts';
import { LATENCY_QUIET_SHARE, type LatencyMeasurement, LatencySide } from '../sides/latency-side.ts';
import { defineSuite, type Plan, type Results } from '../suite.ts';
import { untilTraffic } from '../until-traffic.ts';

/** Microseconds from the time a frame was due to its return. */
export interface LatencyFigures {
  readonly p50_us: number;
  readonly p99_us: number;
  readonly p99_9_us: number;
  readonly max_us: number;
  /** Frames that did not come back. */
  readonly lost: number;
  /** Share of the frames that were timed, 0 to 1; for the others, the instrument itself had lost its CPU. */
  readonly timed_share: number;
}

export interface LatencyRow {
  readonly case: string;
  /** Frames per second, on both sides. */
  readonly rate_pps: number;
  /** Medians of the rounds; the maximum of `max_us`, the sum of `lost`, the minimum of `timed_share`. */
  readonly ours: LatencyFigures;
  readonly theirs: LatencyFigures;
  /** Paired ratios of ours to theirs. */
  readonly ratio: { readonly p50: Spread; readonly p99: Spread; readonly p99_9: Spread };
  /** Both sides of each round. */
  readonly rounds: readonly (readonly [LatencyFigures, LatencyFigures])[];
  /**
   * The smallest share of its CPU that a side had in any round, 0 to 1: below 0.995, something else ran
   * there.
   */
  readonly cpu_share: number;
  /** True when `cpu_share` is below that: the table marks the ratios. */
  readonly disturbed: boolean;
  /** All rounds together. */
  readonly histogram: { readonly ours: readonly LatencyBucket[]; readonly theirs: readonly LatencyBucket[] };
}

/** Frames per second, or a share of what net_vhost forwards with the same peer. */
type Load = { readonly rate: number } | { readonly share: number };

export const latency = defineSuite({
  name: 'latency',
  description: "round-trip time of frames at a fixed rate, ours and DPDK's net_vhost in alternating slices",
  notes: `A frame's time runs from when it was due, not from when it was sent: waiting
behind a stall counts.`,
  peer: 'builtin',
  needsDpdk: () => true,
  options: (command) =>
    command
      .addOption(againstOption())
      .addOption(
        new Option('--mode <mode>', "the back-ends' forward mode")
          .choices(['io', 'macswap'] as const)
          .default('io' as const),
      )
      .option('--load <share>', 'rate as a share of what net_vhost forwards in io mode', share, 0.1)
      .addOption(
        new Option('--rate <pps>', 'rate in frames per second')
          .argParser(wholeNumber(1, 1e9))
          .conflicts('load'),
      )
      .option(...sizesOption([64])),
  cases: ({ mode, sizes }) => casesOf([mode], sizes),
  overhead: () => ({ perCase: 2, perRound: 10 }),
  run: (plan, { load, rate }) => run(plan, rate === undefined ? { share: load } : { rate }),
  charts: (rows) => rows.map(latencyChart),
  sheet: latencySheet,
});

function latencyChart({ case: name, rounds, disturbed }: LatencyRow): Chart {
  const groups = ['p50', 'p99', 'p99.9'] as const;
  const keys = { p50: 'p50_us', p99: 'p99_us', 'p99.9': 'p99_9_us' } as const;
  return withMarks(
    groups.map(() => ({ disturbed })),
    {
      ...{ title: `Round trip, ${name}`, unit: 'us', groups },
      series: [0, 1].map((side) => ({
        name: side === 0 ? 'vhost-pci' : 'net_vhost',
        values: groups.map((group) =>
          spread(rounds.map((round) => (round[side] as LatencyFigures)[keys[group]])),
        ),
      })),
    },
  );
}

async function run(plan: Plan, load: Load): Promise<Results<LatencyRow>> {
  const { settings, workspace, progress } = plan;
  const rows: LatencyRow[] = [];
  let dpdkVersion: string | undefined;
  // The usual setup where latency matters: the loop has the back-end's CPU to itself.
  const apart = { ...settings, mainCpu: settings.peerCpu };
  for (const wanted of plan.cases) {
    const rate = await rateFor(plan, wanted, load);
    const rounds = await roundsUntil(plan.signal, settings.rounds, async (round) => {
      await waitForQuiet();
      const sides = await untilTraffic(settings.seconds, (seconds) =>
        takeTurns({ ...apart, seconds }, [
          () => new LatencySide(apart, wanted, rate, new OurBackEnd(apart, wanted, workspace)),
          () => new LatencySide(apart, wanted, rate, new NetVhostBackEnd(apart, wanted, workspace)),
        ]),
      );
      const [a, b] = sides;
      dpdkVersion ??= b.dpdkVersion;
      const words = `ours ${describe(a)}, net_vhost ${describe(b)}${disturbance(Math.min(a.share, b.share), LATENCY_QUIET_SHARE)}`;
      progress(`${wanted.name}, round ${round} of ${settings.rounds}: ${words}`);
      return sides;
    });
    const [ours, theirs] = [rounds.map(([a]) => a), rounds.map(([, b]) => b)];
    rows.push(summarize(wanted.name, rate, ours, theirs));
  }
  return { rows, dpdkVersion };
}

/**
 * Alternates as paired-rounds.ts does, for the same reason; the histograms of all slices of a round form one.
 * Meanwhile this process leaves the back-ends' CPU: the time it takes from the peer's CPU is not counted (see
 * latency-side.ts).
 */
async function takeTurns(
  { seconds, peerCpu }: Settings,
  create: readonly [() => LatencySide, () => LatencySide],
): Promise<[LatencyMeasurement, LatencyMeasurement]> {
  const before = native.getAffinity();
  const sides: LatencySide[] = [];
  try {
    // Each is created while the other stands still: a back-end polls from its creation on.
    for (const one of create) {
      const side = one();
      sides.push(side);
      await side.start();
    }
    native.setAffinityOfAll([peerCpu]);
    for (let left = Math.max(1, Math.round(seconds / SLICE_SECONDS)); left > 0; left--)
      for (const side of sides) await side.slice(Math.min(seconds, SLICE_SECONDS));
    const [a, b] = sides as [LatencySide, LatencySide];
    return [await a.finish(), await b.finish()];
  } finally {
    for (const side of sides) await side.stop();
    native.setAffinityOfAll(before);
  }
}

async function rateFor({ settings, workspace, progress }: Plan, wanted: Case, load: Load): Promise<number> {
  if ('rate' in load) return load.rate;
  const io: Case = { name: `io-${wanted.size}`, direction: 'io', size: wanted.size };
  const { mpps } = await measure(settings, io, () => new NetVhostBackEnd(settings, io, workspace), workspace);
  const rate = Math.max(1, Math.round(1e6 * mpps * load.share));
  progress(`${wanted.name}: net_vhost forwards ${mpps.toFixed(2)} Mpps; the load is ${rate} pps`);
  return rate;
}

const describe = ({ latency: { p50Ns, p99Ns, p999Ns }, lost, timed }: LatencyMeasurement): string =>
  `${[p50Ns, p99Ns, p999Ns].map((ns) => (ns / 1000).toFixed(1)).join('/')} us (${Math.round(100 * timed)} % of the frames)${lost > 0 ? `, ${lost} lost` : ''}`;

function summarize(
  name: string,
  rate: number,
  ours: readonly LatencyMeasurement[],
  theirs: readonly LatencyMeasurement[],
): LatencyRow {
  const ratio = (key: 'p50Ns' | 'p99Ns' | 'p999Ns') =>
    pairedRatio(
      ours.map(({ latency: of }) => of[key]),
      theirs.map(({ latency: of }) => of[key]),
    );
  const cpuShare = Math.min(...[...ours, ...theirs].map(({ share }) => share));
  return {
    case: name,
    rate_pps: rate,
    ours: overall(ours),
    theirs: overall(theirs),
    ratio: { p50: ratio('p50Ns'), p99: ratio('p99Ns'), p99_9: ratio('p999Ns') },
    rounds: ours.map((a, round) => [figures(a), figures(theirs[round] as LatencyMeasurement)] as const),
    cpu_share: cpuShare,
    disturbed: cpuShare < LATENCY_QUIET_SHARE,
    histogram: {
      ours: mergeBuckets(ours.map(({ buckets }) => buckets)),
      theirs: mergeBuckets(theirs.map(({ buckets }) => buckets)),
    },
  };
}

function figures({ latency: of, lost, timed }: LatencyMeasurement): LatencyFigures {
  return {
    p50_us: of.p50Ns / 1000,
    p99_us: of.p99Ns / 1000,
    p99_9_us: of.p999Ns / 1000,
    max_us: of.maxNs / 1000,
    lost,
    timed_share: timed,
  };
}

/** The median of each percentile, the largest maximum, the sum of lost frames, the smallest timed share. */
function overall(rounds: readonly LatencyMeasurement[]): LatencyFigures {
  const all = rounds.map(figures);
  return {
    p50_us: median(all.map(({ p50_us }) => p50_us)),
    p99_us: median(all.map(({ p99_us }) => p99_us)),
    p99_9_us: median(all.map(({ p99_9_us }) => p99_9_us)),
    max_us: Math.max(...all.map(({ max_us }) => max_us)),
    lost: all.reduce((sum, { lost }) => sum + lost, 0),
    timed_share: Math.min(...all.map(({ timed_share }) => timed_share)),
  };
}

/** The sum of histograms that have the same bucket edges. */
export function mergeBuckets(histograms: readonly (readonly LatencyBucket[])[]): LatencyBucket[] {
  const sums = new Map<number, number>();
  for (const { toNs, samples } of histograms.flat()) sums.set(toNs, (sums.get(toNs) ?? 0) + samples);
  return [...sums].sort(([a], [b]) => a - b).map(([toNs, samples]) => ({ toNs, samples }));
}

export function latencySheet(rows: readonly LatencyRow[]): Sheet {
  return {
    tables: [latencyTable(rows), ...rows.map(histogramTable)],
  };
}

/** Two lines per case; the ratios are in the first. */
function latencyTable(rows: readonly LatencyRow[]): Table {
  const sides = rows.flatMap((row) => [
    { name: row.case, side: 'ours', of: row.ours, row },
    { name: '', side: 'net_vhost', of: row.theirs, row: undefined },
  ]);
  const us = (name: string, key: 'p50_us' | 'p99_us' | 'p99_9_us' | 'max_us') => ({
    ...{ name, unit: 'us', of: ({ of }: (typeof sides)[number]) => of[key] },
  });
  const ratio = (name: string, key: keyof LatencyRow['ratio']) => ({
    name,
    of: ({ row }: (typeof sides)[number]) => (row === undefined ? '' : row.ratio[key].median),
    marked: ({ row }: (typeof sides)[number]) => row?.disturbed ?? false,
  });
  return tableOf(sides, [
    named('case', ({ name }) => name),
    named('side', ({ side }) => side),
    ...[ratio('ratio: p50', 'p50'), ratio('p99', 'p99'), ratio('p99.9', 'p99_9')],
    ...[us('p50', 'p50_us'), us('p99', 'p99_us'), us('p99.9', 'p99_9_us'), us('max', 'max_us')],
    { name: 'lost', of: ({ of }) => of.lost, text: toDigits(0) },
  ]);
}

const BAR = 24;

/** Bars grow with the logarithm of the frame count, because the few slow frames are what matters. */
function histogramTable({ case: name, histogram: { ours, theirs } }: LatencyRow): Table {
  const edges = [...new Set([...ours, ...theirs].map(({ toNs }) => toNs))].sort((a, b) => a - b);
  const most = Math.max(...[...ours, ...theirs].map(({ samples }) => samples));
  const column = (side: string, buckets: readonly LatencyBucket[]) => {
    const frames = (edge: number) => buckets.find(({ toNs }) => toNs === edge)?.samples ?? 0;
    return [
      { name: side, of: frames, text: toDigits(0) },
      named('log scale', (edge: number) => bar(frames(edge), most)),
    ];
  };
  return tableOf(edges, [
    { name: `${name}, up to`, unit: 'us', of: (edge) => edge / 1000, text: String },
    ...column('ours', ours),
    ...column('net_vhost', theirs),
  ]);
}

const bar = (frames: number, most: number): string =>
  frames === 0 ? '' : '#'.repeat(Math.max(1, Math.round((BAR * Math.log1p(frames)) / Math.log1p(most))));
