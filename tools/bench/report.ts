// SPDX-License-Identifier: BSD-3-Clause
// Results as a table for people and as JSON for programs: {"suite", "machine", "settings", "rows"}.
import Table from 'cli-table3';
import type { Machine } from './instruments/machine.ts';
import type { Spread } from './instruments/statistics.ts';
import type { PairedRow } from './paired-rounds.ts';
import type { Settings } from './settings.ts';

/** What every row of a comparison has; 'a' is the side that it names first. */
export interface RoundFigures {
  /** Of a to b: over the rounds, each round's own being the median of its slices, taken in pairs. */
  readonly ratio: Spread;
  /** Each round's ratio, and Mpps of either side. */
  readonly rounds: readonly { readonly ratio: number; readonly mpps: readonly [number, number] }[];
  /** The least share of its CPU that a side had in any round, 0 to 1: below 0.97 something else ran there. */
  readonly cpu_share: number;
}

export const roundFigures = ({ ratio, rounds, cpuShare }: PairedRow): RoundFigures => ({
  ratio,
  rounds: rounds.map((round) => ({ ratio: round.ratio, mpps: [round.a, round.b] as const })),
  cpu_share: cpuShare,
});

export interface ComparisonRow extends RoundFigures {
  readonly case: string;
  /** Medians of the rounds, in millions of packets a second. */
  readonly ours_mpps: number;
  readonly theirs_mpps: number;
  /** TSC cycles of our bursts that moved packets, divided by packets. */
  readonly ours_cycles_per_packet?: number;
}

export interface LimitRow extends RoundFigures {
  readonly case: string;
  readonly limit_mpps: number;
  readonly ours_mpps: number;
}

/** Packets worked on in the peer's own buffers, and copied from or to mbufs. */
export interface InPlaceRow extends RoundFigures {
  readonly case: string;
  readonly in_place_mpps: number;
  readonly copying_mpps: number;
}

export interface InterruptRow extends RoundFigures {
  readonly case: string;
  readonly adaptive_mpps: number;
  readonly polling_mpps: number;
}

/** CPUs that the whole process uses when nothing comes, by mode; null where the kernel does not tell. */
export interface IdleRow {
  readonly case: 'idle';
  readonly mode: string;
  readonly cpus: number | null;
}

export interface Report<Row> {
  readonly suite: string;
  readonly machine: Machine;
  readonly settings: Settings;
  readonly rows: readonly Row[];
}

export const reportJson = (report: Report<unknown>): string => `${JSON.stringify(report, null, 2)}\n`;

export const fixed = (value: number | undefined, digits = 2): string => value?.toFixed(digits) ?? '-';

export function loopbackTable(rows: readonly ComparisonRow[]): string {
  return render(
    ['case', 'ours Mpps', 'net_vhost Mpps', 'ratio: median', 'min', 'max', 'our cycles/packet'],
    rows.map(({ case: name, ours_mpps, theirs_mpps, ratio, ours_cycles_per_packet }) => [
      ...[name, fixed(ours_mpps), fixed(theirs_mpps)],
      ...[fixed(ratio.median), fixed(ratio.min), fixed(ratio.max), fixed(ours_cycles_per_packet, 0)],
    ]),
  );
}

export function limitTable(rows: readonly LimitRow[]): string {
  const percent = (value: number) => `${Math.round(100 * value)} %`;
  return render(
    ['case', 'limit Mpps', 'ours Mpps', 'of the limit: median', 'min', 'max'],
    rows.map(({ case: name, limit_mpps, ours_mpps, ratio }) => [
      ...[name, fixed(limit_mpps), fixed(ours_mpps)],
      ...[percent(ratio.median), percent(ratio.min), percent(ratio.max)],
    ]),
  );
}

export function inPlaceTable(rows: readonly InPlaceRow[]): string {
  return render(
    ['case', 'in place Mpps', 'copying Mpps', 'ratio: median', 'min', 'max'],
    rows.map(({ case: name, in_place_mpps, copying_mpps, ratio }) => [
      ...[name, fixed(in_place_mpps), fixed(copying_mpps)],
      ...[fixed(ratio.median), fixed(ratio.min), fixed(ratio.max)],
    ]),
  );
}

export function interruptTable(rows: readonly InterruptRow[]): string {
  return render(
    ['case', 'adaptive Mpps', 'polling Mpps', 'ratio: median', 'min', 'max'],
    rows.map(({ case: name, adaptive_mpps, polling_mpps, ratio }) => [
      ...[name, fixed(adaptive_mpps), fixed(polling_mpps)],
      ...[fixed(ratio.median), fixed(ratio.min), fixed(ratio.max)],
    ]),
  );
}

export function idleTable(rows: readonly IdleRow[]): string {
  return render(
    ['idle, --rx-interrupt', 'of a CPU'],
    rows.map(({ mode, cpus }) => [mode, cpus === null ? '-' : `${(100 * cpus).toFixed(2)} %`]),
  );
}

export function settingsLine({ peer, rounds, seconds, queueSize, packed, copying }: Settings): string {
  const rings = `rings of ${queueSize}, ${packed ? 'packed' : 'split'}, one queue pair`;
  return `${rounds} rounds of ${seconds} s, peer ${peer}, ${rings}${copying ? ', ours copying through mbufs' : ''}`;
}

export function machineLine({ cpu, cpus, kernel, node, dpdk, hugepages }: Machine): string {
  const parts = [`${cpu}, ${cpus} CPUs`, `Linux ${kernel}`, `Node ${node}`];
  if (dpdk !== null) parts.push(`DPDK ${dpdk}`);
  return [...parts, hugepages ? 'hugepages' : 'no hugepages'].join('; ');
}

/** Numbers to the right; the columns `left` hold words. */
export function render(head: string[], rows: string[][], left: readonly number[] = [0]): string {
  const colAligns = head.map((_, column) => (left.includes(column) ? ('left' as const) : ('right' as const)));
  const table = new Table({ head, colAligns, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  return table.toString();
}
