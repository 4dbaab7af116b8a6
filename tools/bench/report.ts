// SPDX-License-Identifier: BSD-3-Clause
// The parts common to all reports: tables for people, and JSON for programs: {"suite", "machine", "settings",
// "rows"}.
import Table from 'cli-table3';
import type { Machine } from './instruments/machine.ts';
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
}

export const roundFigures = ({ ratio, rounds, cpuShare }: PairedRow): RoundFigures => ({
  ratio,
  rounds: rounds.map((round) => ({ ratio: round.ratio, mpps: [round.a, round.b] as const })),
  cpu_share: cpuShare,
});

export interface Report<Row> {
  readonly suite: string;
  readonly machine: Machine;
  readonly settings: Settings;
  readonly rows: readonly Row[];
}

export const reportJson = (report: Report<unknown>): string => `${JSON.stringify(report, null, 2)}\n`;

export const fixed = (value: number | undefined, digits = 2): string => value?.toFixed(digits) ?? '-';

/** Median, minimum and maximum, as table cells. */
export const spreadCells = ({ median, min, max }: Spread): string[] =>
  [median, min, max].map((of) => fixed(of));

export function settingsLine({ peer, rounds, seconds, queueSize, packed, copying }: Settings): string {
  const rings = `rings of ${queueSize}, ${packed ? 'packed' : 'split'}, one queue pair`;
  return `${rounds} rounds of ${seconds} s, peer ${peer}, ${rings}${copying ? ', ours copying through mbufs' : ''}`;
}

export function machineLine({ cpu, cpus, kernel, node, dpdk, hugepages }: Machine): string {
  const parts = [`${cpu}, ${cpus} CPUs`, `Linux ${kernel}`, `Node ${node}`];
  if (dpdk !== null) parts.push(`DPDK ${dpdk}`);
  return [...parts, hugepages ? 'hugepages' : 'no hugepages'].join('; ');
}

/** Numbers are right-aligned; the columns in `left` hold text. */
export function render(head: string[], rows: string[][], left: readonly number[] = [0]): string {
  const colAligns = head.map((_, column) => (left.includes(column) ? ('left' as const) : ('right' as const)));
  const table = new Table({ head, colAligns, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  return table.toString();
}
