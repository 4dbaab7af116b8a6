// SPDX-License-Identifier: BSD-3-Clause
// The suite "latency": how long frames take through our driver and through DPDK's net_vhost and back, at the same share of the load, in turn.
import { native } from '../../../src/native.ts';
import type { LatencyBucket } from '../../peer/latency.ts';
import type { Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import { waitForQuiet } from '../instruments/cpu-share.ts';
import { median, pairedRatio } from '../instruments/statistics.ts';
import { disturbance, measure } from '../measure.ts';
import { type Settings, SLICE_SECONDS } from '../settings.ts';
import { NetVhostBackEnd, OurBackEnd } from '../sides/back-ends.ts';
import { LATENCY_QUIET_SHARE, type LatencyMeasurement, LatencySide } from '../sides/latency-side.ts';
import { untilTraffic } from '../until-traffic.ts';
import type { LatencyFigures, LatencyRow } from './latency-report.ts';

/** Frames a second, or as a share of what net_vhost forwards with the same peer. */
export type Load = { readonly rate: number } | { readonly share: number };

export const FORWARD_MODES = ['io', 'macswap'] as const;

export interface LatencyResult {
  readonly rows: LatencyRow[];
  readonly dpdkVersion: string | undefined;
}

export async function latency(
  settings: Settings,
  cases: readonly Case[],
  load: Load,
  workspace: Workspace,
  progress: (line: string) => void,
): Promise<LatencyResult> {
  const rows: LatencyRow[] = [];
  let dpdkVersion: string | undefined;
  // As anyone does who minds latency: only the loop has the back-end's CPU.
  const apart = { ...settings, mainCpu: settings.peerCpu };
  for (const wanted of cases) {
    const rate = await rateFor(settings, wanted, load, workspace, progress);
    const ours: LatencyMeasurement[] = [];
    const theirs: LatencyMeasurement[] = [];
    for (let round = 1; round <= settings.rounds; round++) {
      await waitForQuiet();
      const [a, b] = await untilTraffic(settings.seconds, (seconds) =>
        takeTurns({ ...apart, seconds }, [
          () => new LatencySide(apart, wanted, rate, new OurBackEnd(apart, wanted, workspace)),
          () => new LatencySide(apart, wanted, rate, new NetVhostBackEnd(apart, wanted, workspace)),
        ]),
      );
      ours.push(a);
      theirs.push(b);
      dpdkVersion ??= b.dpdkVersion;
      const words = `ours ${describe(a)}, net_vhost ${describe(b)}${disturbance(Math.min(a.share, b.share), LATENCY_QUIET_SHARE)}`;
      progress(`${wanted.name}, round ${round} of ${settings.rounds}: ${words}`);
    }
    rows.push(summarize(wanted.name, rate, ours, theirs));
  }
  return { rows, dpdkVersion };
}

/**
 * As in paired-rounds.ts, for the same reason; the histograms of all slices of a round are one. This process leaves the back-ends' CPU meanwhile: what it
 * takes of the peer's is in no time (see latency-side.ts).
 */
async function takeTurns(
  { seconds, peerCpu }: Settings,
  create: readonly [() => LatencySide, () => LatencySide],
): Promise<[LatencyMeasurement, LatencyMeasurement]> {
  const before = native.getAffinity();
  const sides: LatencySide[] = [];
  try {
    // One is created when the other stands still: a back-end polls from its creation on.
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

async function rateFor(
  settings: Settings,
  wanted: Case,
  load: Load,
  workspace: Workspace,
  progress: (line: string) => void,
): Promise<number> {
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
  return {
    case: name,
    rate_pps: rate,
    ours: overall(ours),
    theirs: overall(theirs),
    ratio: { p50: ratio('p50Ns'), p99: ratio('p99Ns'), p99_9: ratio('p999Ns') },
    rounds: ours.map((a, round) => [figures(a), figures(theirs[round] as LatencyMeasurement)] as const),
    cpu_share: Math.min(...[...ours, ...theirs].map(({ share }) => share)),
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

/** Medians of the percentiles, the greatest of all, the sum of what was lost, the least of what was timed. */
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

/** Sums of histograms with the same kind of buckets. */
export function mergeBuckets(histograms: readonly (readonly LatencyBucket[])[]): LatencyBucket[] {
  const sums = new Map<number, number>();
  for (const { toNs, samples } of histograms.flat()) sums.set(toNs, (sums.get(toNs) ?? 0) + samples);
  return [...sums].sort(([a], [b]) => a - b).map(([toNs, samples]) => ({ toNs, samples }));
}
