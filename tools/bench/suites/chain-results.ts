// SPDX-License-Identifier: BSD-3-Clause
// What the suite "chain" has found out, and how it is shown.
import type { Chart } from '../../charts/bars.ts';
import type { RoundFigures } from '../report.ts';
import { pairChart, withMarks } from '../row-charts.ts';
import { type ColumnOf, mpps, named, ratioColumns, type Sheet, tableOf, toDigits } from '../sheet.ts';

export const FIGURES = ['throughput', 'latency'] as const;
export type Figure = (typeof FIGURES)[number];
/** 2.0: every second guest has a stock virtio-net driver; 2.1: all have this one. */
export const RFCS = ['2.0', '2.1'] as const;
export type Rfc = (typeof RFCS)[number];

/** One value of ours and one of Open vSwitch's. */
export interface Both {
  readonly ours: number;
  readonly ovs: number;
}

export interface ChainRow extends RoundFigures {
  readonly case: string;
  readonly guests: number;
  readonly figure: Figure;
  /** Of the links. */
  readonly rfc: Rfc;
  /** Medians of the rounds in Mpps, each way. */
  readonly ours_mpps: number;
  readonly ovs_mpps: number;
  /** 'throughput': cycles of both CPUs for a packet and hop. */
  readonly cycles?: Both;
  /** 'throughput': the switch's own, for a packet and hop: its poll thread, empty polls not counted. */
  readonly switch_cycles?: number;
  /** 'throughput': the rate each way with a core for each guest and one for the switch, computed. */
  readonly projected_mpps?: Both;
  /** 'latency': mean time of a packet for a hop, guest included, when few are on the way. */
  readonly hop_us?: Both;
  readonly ovs_settings: string;
}

export function chainSheet(rows: readonly ChainRow[]): Sheet {
  const [throughput, latency] = FIGURES.map((figure) => rows.filter((row) => row.figure === figure));
  const cycles = ({ cycles: of }: ChainRow) => of;
  const projected = ({ projected_mpps: of }: ChainRow) => of;
  return {
    tables: [
      tableOf(
        throughput ?? [],
        [
          ...PAIRED,
          ...both(['our cycles a hop', "OVS's"], cycles, 0),
          ...both(['ours projected', 'OVS projected'], projected),
        ],
        { title: 'Throughput, each way', notes: PROJECTION },
      ),
      tableOf(latency ?? [], [...PAIRED, ...both(['our us a hop', "OVS's"], ({ hop_us }) => hop_us)], {
        title: 'Few packets on the way',
      }),
    ].filter((table) => table.rows.length > 0),
    notes: [...CORES, `OVS: ${rows[0]?.ovs_settings}`],
  };
}

/** What both figures have. */
const PAIRED: readonly ColumnOf<ChainRow>[] = [
  named('guests', (row) => `${row.guests}, ${row.case.split('-')[2]} B`),
  { name: 'RFC', of: (row) => row.rfc },
  ...ratioColumns<ChainRow>(),
  mpps('ours', (row) => row.ours_mpps),
  mpps('OVS', (row) => row.ovs_mpps),
];

const both = (
  [ours, ovs]: readonly [string, string],
  of: (row: ChainRow) => Both | undefined,
  digits = 2,
): ColumnOf<ChainRow>[] => [
  { name: ours, of: (row) => of(row)?.ours, text: toDigits(digits) },
  { name: ovs, of: (row) => of(row)?.ovs, text: toDigits(digits) },
];

const labelOf = ({ guests, rfc }: ChainRow): string => `${guests} guests, RFC ${rfc}`;

export function chainCharts(rows: readonly ChainRow[]): Chart[] {
  const of = (figure: Figure) => rows.filter((row) => row.figure === figure);
  const computed = (title: string, unit: string, kind: Figure, value: (row: ChainRow) => Both | undefined) =>
    withMarks(of(kind), {
      ...{ title, unit, groups: of(kind).map(labelOf) },
      series: (['ours', 'ovs'] as const).map((side) => ({
        name: side === 'ours' ? 'vhost-pci' : 'OVS+DPDK',
        values: of(kind).map((row) => single(value(row)?.[side])),
      })),
    });
  return [
    pairChart({
      title: 'Chain of guests that forward, each way, all guests on two CPUs',
      sides: ['vhost-pci', 'OVS+DPDK'],
      rows: of('throughput'),
      label: labelOf,
    }),
    computed('CPU for a packet and hop', 'cycles', 'throughput', ({ cycles }) => cycles),
    computed(
      'Projected, not measured: a core for each guest, and one for the switch',
      'Mpps',
      'throughput',
      ({ projected_mpps }) => projected_mpps,
    ),
    computed('Time for a hop, few packets on the way', 'us', 'latency', ({ hop_us }) => hop_us),
  ].filter((chart) => chart.groups.length > 0);
}

const single = (value: number | undefined) =>
  value === undefined ? null : { median: value, min: value, max: value };

const CORES = [
  'Two CPUs a side. OVS: switch | all guests; ours, 2.0: guests with this driver | guests with virtio-net;',
  'ours, 2.1: guests with even numbers | guests with odd numbers, all with this driver',
];
const PROJECTION = [
  "cycles a hop: both CPUs' cycles for a packet and hop",
  'projected, not measured: a core for each guest, and one for the switch; never below the measured rate.',
  '  ours: rate x guests on the CPU with fewer of them, as each would have its core',
  "  OVS: TSC rate / (2 directions x hops x the switch's own cycles for a packet)",
];
