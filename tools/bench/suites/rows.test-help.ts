// SPDX-License-Identifier: BSD-3-Clause
// What each suite has measured once, by its name: two rounds, disturbed rows, and figures that are missing.
import type { Spread } from '../instruments/statistics.ts';
import type { RoundFigures } from '../report.ts';
import type { ChainRow } from './chain-results.ts';
import type { InPlaceRow } from './in-place.ts';
import type { IdleRow, InterruptRow } from './interrupts.ts';
import type { LatencyRow } from './latency.ts';
import type { LimitRow } from './limit.ts';
import type { LoopbackRow } from './loopback.ts';
import type { MemifRow } from './memif.ts';
import type { OvsRow } from './ovs.ts';
import type { PktgenRow } from './pktgen.ts';
import type { TelemetryRow } from './telemetry.ts';

const even = (of: number): Spread => ({ median: of, min: of, max: of });

/** Of two rounds in which these were the rates. */
function figures(a: number, b: number, disturbed = false): RoundFigures {
  const ratio = a / b;
  return {
    ratio: { median: ratio, min: 0.9 * ratio, max: 1.1 * ratio },
    rounds: [0.9, 1.1].map((share) => ({ ratio: share * ratio, mpps: [share * a, b] as const })),
    cpu_share: disturbed ? 0.65 : 0.98,
    disturbed,
  };
}

const loopback: LoopbackRow[] = [
  {
    ...{ case: 'rx-64', ours_mpps: 22.906, theirs_mpps: 17.39, ...figures(22.906, 17.39) },
    ours_cycles_per_packet: 42.55,
  },
  { case: 'io-1518', ours_mpps: 123.4, theirs_mpps: 7, ...figures(123.4, 7, true) },
];

const limit: LimitRow[] = [
  { case: 'rx-64', limit_mpps: 57.24, ours_mpps: 54.73, ...figures(54.73, 57.24) },
  { case: 'io-64', limit_mpps: 9.9, ours_mpps: 8.6, ...figures(8.6, 9.9, true) },
];

const inPlace: InPlaceRow[] = [
  { case: 'tx-64', in_place_mpps: 96.8, copying_mpps: 34.2, ...figures(96.8, 34.2) },
  { case: 'relay-512', in_place_mpps: 1.5, copying_mpps: 1.25, ...figures(1.5, 1.25, true) },
];

const interrupts: (InterruptRow | IdleRow)[] = [
  { case: 'rx-64', adaptive_mpps: 8.1, polling_mpps: 10, ...figures(8.1, 10, true) },
  { case: 'idle', mode: 'adaptive', cpus: 0.0012 },
  { case: 'idle', mode: 'off', cpus: null },
];

const times = { p50_us: 0.245, p99_us: 0.543, p99_9_us: 2.261, max_us: 14.607, lost: 0, timed_share: 1 };
const slower = { ...times, p50_us: 0.343, p99_9_us: 2.205, max_us: 1234.5, lost: 2 };
const latency: LatencyRow[] = [
  {
    ...{ case: 'io-64', rate_pps: 2_648_873, ours: times, theirs: slower },
    ratio: { p50: even(0.714), p99: even(1), p99_9: even(1.025) },
    ...{ rounds: [[times, slower]], cpu_share: 0.99, disturbed: true },
    histogram: {
      ours: [
        { toNs: 500, samples: 59_535 },
        { toNs: 1000, samples: 12 },
      ],
      theirs: [{ toNs: 500, samples: 804_485 }],
    },
  },
];

const telemetry: TelemetryRow[] = [
  { case: 'rx-64', polled_mpps: 8.1234, alone_mpps: 8.125, ...figures(8.1234, 8.125) },
  { case: 'tx-64', polled_mpps: 30, alone_mpps: 31, ...figures(30, 31, true) },
];

const memif: MemifRow[] = [
  ...(['copying', 'in-place'] as const).flatMap((mode) =>
    (['2.1', '2.0'] as const).map((rfc, index) => ({
      ...{ case: 'rx-64', mode, rfc, ours_mpps: 45.6, memif_mpps: 21.1 },
      ...figures(45.6, 21.1, index === 1),
    })),
  ),
];

const ovs_settings = 'pmd-rxq-affinity 0:0, emc-insert-inv-prob 100, tx-flush-interval 0, mrg_rxbuf on';
const ovs: OvsRow[] = [
  {
    ...{ case: 'to-pmd-64', flows: 'fixed', ours_mpps: 23.94, ovs_mpps: 12.04, ...figures(23.94, 12.04) },
    ...{ per_cpu: { ours: 12.1, ovs: 6.02, ratio: even(2.007) }, ovs_cycles_per_packet: 179.74 },
    ...{ ovs_lost: 0.00522, ovs_settings },
  },
  {
    ...{ case: 'relay-64', flows: 'normal', ours_mpps: 11.75, ovs_mpps: 2.85, ...figures(11.75, 2.85, true) },
    ...{ per_cpu: null, ovs_lost: 0, ovs_settings },
  },
];

const chain: ChainRow[] = [
  {
    ...{ case: 'throughput-2-64', guests: 2, figure: 'throughput', rfc: '2.0' },
    ...{ ours_mpps: 21.14, ovs_mpps: 4.195, ...figures(21.14, 4.195) },
    ...{ cycles: { ours: 61.41, ovs: 309.4 }, projected_mpps: { ours: 21.14, ovs: 4.62 }, ovs_settings },
  },
  {
    ...{ case: 'throughput-7-64', guests: 7, figure: 'throughput', rfc: '2.1' },
    ...{ ours_mpps: 3.036, ovs_mpps: 0.832, ...figures(3.036, 0.832, true), ovs_settings },
    cycles: { ours: 122.2, ovs: 445.7 },
  },
  {
    ...{ case: 'latency-3-64', guests: 3, figure: 'latency', rfc: '2.0' },
    ...{ ours_mpps: 1.2, ovs_mpps: 0.9, ...figures(1.2, 0.9), hop_us: { ours: 0.5, ovs: 2 }, ovs_settings },
  },
];

const quiet = { disturbances: [], stalls: { count: 0, longestUs: 0, share: 0 } };
const gaps = { near: 0.995, undisturbed: 90, nearUndisturbed: 1 };
const replayed = {
  ...{ ...quiet, packets: 100, whole: 100, ...gaps, away: 4, medianUs: 0.2, p99Us: 4.2 },
  sender: { ...gaps, near: 0.998, samples: 99, away: 3 },
};
const pktgen: PktgenRow[] = [
  {
    ...{ figure: 'rates', case: '1kpps', asked_pps: 1000, sent_pps: 999.5, error: even(0.0005) },
    ...{ gap_median_us: 0.06, gap_p99_us: 1.234, rounds: [], disturbed_rounds: 1, disturbed: true },
  },
  { figure: 'replay', case: 'replay', rounds: [replayed], disturbed_rounds: 0, disturbed: false },
  {
    ...{ figure: 'ndr', case: 'ndr', drops_above_pps: 1e6, found_pps: 998_000, error: even(0.002) },
    ...{ rounds: [{ ...quiet, pps: 998_000 }], disturbed_rounds: 0, disturbed: false },
  },
  { figure: 'max', case: 'max', ours_mpps: 23.06, txonly_mpps: 22.61, ...figures(23.06, 22.61) },
  {
    ...{ figure: 'latency', case: 'latency', error: even(0.002), disturbed_rounds: 0, disturbed: false },
    rounds: [{ ...quiet, ours_us: 51_200, ours_jitter_us: 1, theirs_us: 51_100, theirs_jitter_us: 2 }],
  },
];

export const ROWS: Readonly<Record<string, readonly unknown[]>> = {
  ...{ loopback, limit, 'in-place': inPlace, interrupts, latency, telemetry, memif, ovs, chain, pktgen },
};

/** Of net_vhost instead of ours. */
export const LIMIT_OF_THEIRS: readonly LimitRow[] = [
  { case: 'rx-64', limit_mpps: 57.24, theirs_mpps: 17.4, ...figures(17.4, 57.24) },
];
