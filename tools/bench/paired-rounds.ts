// SPDX-License-Identifier: BSD-3-Clause
// Two back-ends measured alternately, each with the same kind of peer: the basis of every comparison here.
//
// A round starts both sides afresh and alternates between them, A B A B, in slices of a fraction of a second;
// one side stands still while the other runs. The CPUs of a virtual machine have slow spells, some seconds
// long, in which a CPU takes twice as long to reach the other's cache. Two adjacent slices fall into the same
// spell; two windows of several seconds often do not. Where a spell ends between two slices or within one,
// the next slice of the first side tells, and the pair does not count.
import type { Workspace } from '../run/workspace.ts';
import type { Case } from './cases.ts';
import { QUIET_SHARE, waitForQuiet } from './instruments/cpu-share.ts';
import { mean, median, pairedRatio, type Spread, spread } from './instruments/statistics.ts';
import { roundsUntil } from './interruption.ts';
import { disturbance } from './measure.ts';
import { type Settings, SLICE_SECONDS } from './settings.ts';
import type { BackEnd } from './sides/back-ends.ts';
import { Side, type Slice } from './sides/side.ts';

/** At most this many times the wanted number of pairs is measured when some are disturbed. */
const ATTEMPTS = 3;

/** Of two slices of one side, before and after one of the other, the larger is at most this much larger. */
const STEADY = 1.3;

export interface Round {
  /** Mean of the slices in Mpps; `b` likewise. */
  readonly a: number;
  readonly b: number;
  /** Median of the ratios of a to b, slice by slice. */
  readonly ratio: number;
  /** The smallest share of its CPU that a poll loop had in any slice that counts. */
  readonly share: number;
  /** False when a pair counts during which the machine's speed changed. */
  readonly steady: boolean;
  /** Likewise for packets per CPU second, in millions; undefined where the kernel does not tell CPU times. */
  readonly perCpu?: { readonly a: number; readonly b: number; readonly ratio: number } | undefined;
  readonly dpdkVersion: string | undefined;
}

/** The summary of a case's rounds. */
export interface PairedRow {
  readonly case: string;
  /** Medians of the rounds in Mpps. */
  readonly a: number;
  readonly b: number;
  /** Spread of the rounds' ratios of a to b. */
  readonly ratio: Spread;
  readonly rounds: readonly Round[];
  readonly cpuShare: number;
  /** Whether all rounds were. */
  readonly steady: boolean;
}

export interface ComparisonPlan {
  readonly settings: Settings;
  readonly cases: readonly Case[];
  readonly workspace: Workspace;
  /** Names of the sides in messages. */
  readonly names: readonly [string, string];
  /** What tells this comparison from others of the same case: "RFC 2.1". */
  readonly kind?: string;
  createA(wanted: Case): BackEnd;
  createB(wanted: Case): BackEnd;
  /** Called with one line per round. */
  progress(line: string): void;
  /** Ends the rounds of a case early. */
  readonly signal?: AbortSignal;
}

export interface Comparison {
  readonly rows: readonly PairedRow[];
  readonly dpdkVersion: string | undefined;
}

/**
 * Throws VPCI_NO_TRAFFIC when a side moved no packet in a slice; the error of a program that failed quotes
 * its last message.
 */
export async function compare(plan: ComparisonPlan): Promise<Comparison> {
  const rows: PairedRow[] = [];
  for (const wanted of plan.cases) {
    const name = [wanted.name, ...(plan.kind === undefined ? [] : [plan.kind])].join(', ');
    const rounds = await roundsUntil(plan.signal, plan.settings.rounds, async (number) => {
      plan.progress(`${name}, round ${number} of ${plan.settings.rounds}: starting`);
      await waitForQuiet();
      const round = await playRound(plan, wanted);
      plan.progress(`${name}, round ${number} of ${plan.settings.rounds}: ${describe(plan.names, round)}`);
      return round;
    });
    rows.push(summarize(wanted.name, rounds));
  }
  return { rows, dpdkVersion: rows[0]?.rounds[0]?.dpdkVersion };
}

async function playRound({ settings, workspace, ...plan }: ComparisonPlan, wanted: Case): Promise<Round> {
  const sides: Side[] = [];
  const start = async (backEnd: BackEnd): Promise<Side> => {
    const side = new Side(settings, wanted, backEnd, workspace);
    sides.push(side);
    await side.start();
    side.pause();
    return side;
  };
  try {
    const a = await start(plan.createA(wanted));
    const b = await start(plan.createB(wanted));
    return {
      ...roundOf(await takeTurns(a, b, settings.seconds)),
      dpdkVersion: a.dpdkVersion ?? b.dpdkVersion,
    };
  } finally {
    for (const side of sides) await side.stop();
  }
}

/** A slice of a, the next one of b, and that of a which follows. */
export type Pair = readonly [Slice, Slice, Slice];

/** As many undisturbed pairs of slices as fit into `seconds` per side, or the least disturbed of more. */
async function takeTurns(a: Side, b: Side, seconds: number): Promise<Pair[]> {
  const wanted = Math.max(1, Math.round(seconds / SLICE_SECONDS));
  const length = Math.min(seconds, SLICE_SECONDS);
  const pairs: Pair[] = [];
  const quiet = () => pairs.filter((pair) => isSteady(pair) && shareOf(pair) >= QUIET_SHARE).length;
  let before = await oneTurn(a, length);
  while (quiet() < wanted && pairs.length < ATTEMPTS * wanted) {
    const between = await oneTurn(b, length);
    const after = await oneTurn(a, length);
    pairs.push([before, between, after]);
    before = after;
  }
  return leastDisturbed(pairs, wanted);
}

/** `wanted` of the pairs: steady ones first, and of those the ones that had most of their CPUs. */
export const leastDisturbed = (pairs: readonly Pair[], wanted: number): Pair[] =>
  [...pairs]
    .sort((x, y) => Number(isSteady(y)) - Number(isSteady(x)) || shareOf(y) - shareOf(x))
    .slice(0, wanted);

async function oneTurn(side: Side, seconds: number): Promise<Slice> {
  await side.resume();
  try {
    return await side.measure(seconds);
  } finally {
    side.pause();
  }
}

const shareOf = ([a, b]: Pair): number => Math.min(a.share, b.share);

const isSteady = ([{ mpps: before }, , { mpps: after }]: Pair): boolean =>
  Math.max(before, after) <= STEADY * Math.min(before, after);

export function roundOf(pairs: readonly Pair[]): Omit<Round, 'dpdkVersion'> {
  const as = pairs.map(([{ mpps }]) => mpps);
  const bs = pairs.map(([, { mpps }]) => mpps);
  return {
    a: mean(as),
    b: mean(bs),
    ratio: pairedRatio(as, bs).median,
    share: Math.min(...pairs.map(shareOf)),
    steady: pairs.every(isSteady),
    perCpu: perCpuOf(pairs),
  };
}

function perCpuOf(pairs: readonly Pair[]): Round['perCpu'] {
  const known = pairs.filter((pair) => pair.every(({ cpus = 0 }) => cpus > 0));
  if (known.length < pairs.length) return undefined;
  const [as, bs] = [0, 1].map((side) => known.map((pair) => perCpu(pair[side] as Slice)));
  return {
    a: mean(as as number[]),
    b: mean(bs as number[]),
    ratio: pairedRatio(as as number[], bs as number[]).median,
  };
}

const perCpu = ({ mpps, cpus = 1 }: Slice): number => mpps / cpus;

const describe = ([nameA, nameB]: readonly [string, string], { a, b, ratio, ...round }: Round): string =>
  `${nameA} ${a.toFixed(2)} Mpps, ${nameB} ${b.toFixed(2)} Mpps, ratio ${ratio.toFixed(2)}${doubtOf(round)}`;

/** The machine's speed is named first: where it changes, loops often lose their CPUs too. */
const doubtOf = ({ share, steady }: Pick<Round, 'share' | 'steady'>): string =>
  steady ? disturbance(share) : ' (disturbed: the speed of the machine changed)';

export function summarize(name: string, rounds: readonly Round[]): PairedRow {
  return {
    case: name,
    a: median(rounds.map(({ a }) => a)),
    b: median(rounds.map(({ b }) => b)),
    ratio: spread(rounds.map(({ ratio }) => ratio)),
    rounds,
    cpuShare: Math.min(...rounds.map(({ share }) => share)),
    steady: rounds.every(({ steady }) => steady),
  };
}
