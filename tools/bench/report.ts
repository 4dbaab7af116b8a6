// SPDX-License-Identifier: BSD-3-Clause
// The parts common to all reports: the figures of rounds, the line of the settings, and JSON for programs:
// {"suite", "machine", "settings", "rows"}.
import type { Machine } from '../run/machine.ts';
import { QUIET_SHARE } from './instruments/cpu-share.ts';
import type { Spread } from './instruments/statistics.ts';
import type { PairedRow } from './paired-rounds.ts';
import type { Settings } from './settings.ts';

/** Common to every row of a comparison; 'a' is the side that the row names first. */
export interface RoundFigures {
  /**
   * Spread over the rounds of the ratio of a to b; a round's own ratio is the median of its pairs of slices.
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
