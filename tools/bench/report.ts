// SPDX-License-Identifier: BSD-3-Clause
// The parts common to all reports: the figures of rounds, the line of the settings, and JSON for programs:
// {"suite", "machine", "settings", "rows"}.
import type { Machine } from '../run/machine.ts';
import { QUIET_SHARE } from './instruments/cpu-share.ts';
import { median, type Spread } from './instruments/statistics.ts';
import type { PairedRow } from './paired-rounds.ts';
import type { Settings } from './settings.ts';

/** Common to every row of a comparison; 'a' is the side that the row names first. */
export interface RoundFigures {
  /**
   * Spread over the rounds of the ratio of a to b; a round's own ratio is the median of its pairs of slices.
   * Of a disturbed row it may say nothing: see shownRatio().
   */
  readonly ratio: Spread;
  /** Each round's ratio, and the Mpps of both sides. */
  readonly rounds: readonly { readonly ratio: number; readonly mpps: readonly [number, number] }[];
  /**
   * The smallest share of its CPU that a side had in any round, 0 to 1: below 0.97, something else ran there.
   */
  readonly cpu_share: number;
  /** True when it is below that, or the machine's speed changed in a round: the table marks the ratio. */
  readonly disturbed: boolean;
}

export const roundFigures = ({ ratio, rounds, cpuShare, steady }: PairedRow): RoundFigures => ({
  ratio,
  rounds: rounds.map((round) => ({ ratio: round.ratio, mpps: [round.a, round.b] as const })),
  cpu_share: cpuShare,
  disturbed: cpuShare < QUIET_SHARE || !steady,
});

/** A disturbed ratio and that of the rates differ by at most so much: more, and the ratio says nothing. */
const CONTRADICTION = 1.5;

/**
 * The ratio as tables show it: undefined where the row was disturbed and its rates say something else. So it
 * is when a side nearly stopped in a slice.
 */
export function shownRatio({ ratio, rounds, disturbed }: ShownFigures): Spread | undefined {
  if (!disturbed || rounds.length === 0) return ratio;
  const [a, b] = [0, 1].map((side) => median(rounds.map(({ mpps }) => mpps[side] as number)));
  const apart = ratio.median / ((a as number) / (b as number));
  return Math.max(apart, 1 / apart) > CONTRADICTION ? undefined : ratio;
}

type ShownFigures = Pick<RoundFigures, 'ratio' | 'rounds' | 'disturbed'>;

export interface Report<Row> {
  readonly suite: string;
  readonly machine: Machine;
  /** The settings that both sides had, and the options of the suite as given or by default. */
  readonly settings: Settings;
  readonly rows: readonly Row[];
  /** The case that has only the rounds until a signal; the ones after it are missing. */
  readonly interrupted?: string | undefined;
}

export const reportJson = (report: Report<unknown>): string => `${JSON.stringify(report, null, 2)}\n`;

export const fixed = (value: number | undefined, digits = 2): string => value?.toFixed(digits) ?? '-';

export function settingsLine({ peer, rounds, seconds, queueSize, packed, copying }: Settings): string {
  const rings = `rings of ${queueSize}, ${packed ? 'packed' : 'split'}, one queue pair`;
  return `${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${seconds} s, peer ${peer}, ${rings}${copying ? ', ours copying through mbufs' : ''}`;
}
