// SPDX-License-Identifier: BSD-3-Clause
// The suite "chain": 2 to 7 guests that run l2fwd, over Open vSwitch with DPDK and over vhost-pci links, as
// in the RFC's chart. The last guest is joined to the first, so that packets go round: no CPU goes into
// making and counting them.

import { native } from '../../../src/native.ts';
import { numberList, wordList } from '../../run/arguments.ts';
import { OVS_DEFAULTS, ovsVersion, requireOvs } from '../../run/ovs.ts';
import { Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import type { Chart } from '../charts.ts';
import { sizesOption } from '../options.ts';
import { compare, type PairedRow } from '../paired-rounds.ts';
import { fixed, type RoundFigures, render, roundFigures, spreadCells } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { BURST, requireHugepages } from '../settings.ts';
import { ChainBackEnd, kindsOf } from '../sides/chain.ts';
import { OvsBackEnd } from '../sides/ovs.ts';
import { defineSuite, once, type Plan, type Results } from '../suite.ts';

const FIGURES = ['throughput', 'latency'] as const;
type Figure = (typeof FIGURES)[number];
/** Bursts that each port sends first, at full rate. */
const TX_FIRST = 8;
const TMPFS = '/dev/shm';

/** One value of ours and one of Open vSwitch's. */
interface Both {
  readonly ours: number;
  readonly ovs: number;
}

export interface ChainRow extends RoundFigures {
  readonly case: string;
  readonly guests: number;
  readonly figure: Figure;
  /** Medians of the rounds in Mpps, each way. */
  readonly ours_mpps: number;
  readonly ovs_mpps: number;
  /** 'throughput': cycles of both CPUs for a packet and hop. */
  readonly cycles?: Both;
  /** 'throughput': the rate each way with a core for each guest and one for the switch, computed. */
  readonly projected_mpps?: Both;
  /** 'latency': mean time of a packet for a hop, guest included, when few are on the way. */
  readonly hop_us?: Both;
}

export const chain = defineSuite({
  name: 'chain',
  description: '2 to 7 guests that run l2fwd, over Open vSwitch with DPDK and over vhost-pci links',
  notes: `All guests forward in mode mac, and the last is joined to the first: packets go
round, both ways. Both sides have two CPUs. Open vSwitch has one and all guests
the other; over vhost-pci, guests with this driver have one and guests with
virtio-net the other, and no CPU switches. One loop polls all ports of a CPU.
Of an odd number of guests, two with this driver are joined by RFC 2.1.
Latency: each port sends one packet, bursts are of one, and a hop takes the
mean time that Little's law gives for the packets that are on the way.`,
  needsDpdk: true,
  peer: 'dpdk',
  options: (command) =>
    command
      .option('--lengths <list>', 'numbers of guests, 2 to 7', numberList(2, 7), [2, 3, 4, 5, 6, 7])
      .option('--figures <list>', `any of ${FIGURES.join(', ')}`, wordList(FIGURES), [...FIGURES] as Figure[])
      .option(...sizesOption([64])),
  cases: ({ lengths, figures, sizes }) =>
    figures.flatMap((figure) =>
      lengths.flatMap((guests) =>
        sizes.map((size) => ({ name: `${figure}-${guests}-${size}`, direction: 'relay' as const, size })),
      ),
    ),
  run,
  table: chainTable,
  charts: chainCharts,
});

async function run(plan: Plan): Promise<Results<ChainRow>> {
  requireOvs();
  requireHugepages(plan.settings);
  const memory = await once(plan, TMPFS, async () => new Workspace(TMPFS));
  const rows: ChainRow[] = [];
  let dpdkVersion: string | undefined;
  for (const wanted of plan.cases) {
    const [figure, guests] = wanted.name.split('-') as [Figure, string];
    const sides: Sides = { ours: [], ovs: [] };
    const compared = await compare({
      ...plan,
      cases: [wanted],
      names: ['ours', 'OVS'],
      createA: () => added(sides.ours, ourSide(plan, memory, wanted, figure, Number(guests))),
      createB: () => added(sides.ovs, ovsSide(plan, wanted, figure, Number(guests))),
    });
    dpdkVersion ??= compared.dpdkVersion;
    const [row] = compared.rows as [PairedRow];
    rows.push({
      ...{ case: row.case, guests: Number(guests), figure, ours_mpps: row.a, ovs_mpps: row.b },
      ...(figure === 'latency' ? hopTimes(row, Number(guests), sides) : costs(row, Number(guests), sides)),
      ...roundFigures(row),
    });
  }
  return { rows, dpdkVersion, ovsVersion: await ovsVersion() };
}

interface Sides {
  readonly ours: ChainBackEnd[];
  readonly ovs: OvsBackEnd[];
}

function added<Side>(list: Side[], side: Side): Side {
  list.push(side);
  return side;
}

const guestsOf = ({ size }: Case, figure: Figure, receivers: number) => ({
  ...{ forwardMode: 'mac', size, mergeable: true, receivers },
  ...(figure === 'latency'
    ? { burst: 1, txFirst: 1, countInFlight: true }
    : { burst: BURST, txFirst: TX_FIRST }),
});

function ourSide(
  { settings, workspace }: Plan,
  memory: Workspace,
  wanted: Case,
  figure: Figure,
  guests: number,
): ChainBackEnd {
  const receivers = 2 * kindsOf(guests).virtio;
  return new ChainBackEnd(settings, workspace, memory, guests, guestsOf(wanted, figure, receivers));
}

function ovsSide({ settings, workspace }: Plan, wanted: Case, figure: Figure, guests: number): OvsBackEnd {
  return new OvsBackEnd(settings, workspace, {
    ...{ flows: 'fixed' as const, tuning: OVS_DEFAULTS, ports: 2 * guests, oneWay: false },
    guests: guestsOf(wanted, figure, 2 * guests),
  });
}

/** Little's law: packets on the way = rate x time; half of them go each way. */
function hopTimes({ a, b }: PairedRow, guests: number, { ours, ovs }: Sides): Pick<ChainRow, 'hop_us'> {
  const [inOurs, inOvs] = [ours.at(-1)?.inFlight ?? 0, ovs.at(-1)?.inFlight ?? 0];
  if (inOurs === 0 || inOvs === 0) return {};
  return { hop_us: { ours: inOurs / 2 / a / guests, ovs: inOvs / 2 / b / guests } };
}

function costs({ a, b }: PairedRow, guests: number, { ovs }: Sides): Partial<ChainRow> {
  const mhz = native.tscHz() / 1e6;
  const hop = (mpps: number) => (2 * mhz) / (2 * mpps * guests);
  const { virtio, pmd } = kindsOf(guests);
  const switching = ovs.at(-1)?.cyclesPerPacket();
  return {
    cycles: { ours: hop(a), ovs: hop(b) },
    ...(switching === undefined
      ? {}
      : { projected_mpps: { ours: a * Math.min(virtio, pmd), ovs: mhz / (2 * guests * switching) } }),
  };
}

export function chainTable(rows: readonly ChainRow[]): string {
  const both = (values: Both | undefined, digits: number) => [
    fixed(values?.ours, digits),
    fixed(values?.ovs, digits),
  ];
  const head = ['guests', 'ours Mpps', 'OVS Mpps', 'ratio: median', 'min', 'max'];
  const common = (row: ChainRow) => [
    ...[`${row.guests}, ${row.case.split('-')[2]} B`, fixed(row.ours_mpps), fixed(row.ovs_mpps)],
    ...spreadCells(row.ratio, row.disturbed),
  ];
  const of = (figure: Figure) => rows.filter((row) => row.figure === figure);
  const throughput = render(
    [...head, 'cycles a hop', 'OVS', 'projected', 'OVS'],
    of('throughput').map((row) => [...common(row), ...both(row.cycles, 0), ...both(row.projected_mpps, 2)]),
  );
  const latency = render(
    [...head, 'us a hop', 'OVS'],
    of('latency').map((row) => [...common(row), ...both(row.hop_us, 2)]),
  );
  return [
    ...(of('throughput').length > 0 ? ['Throughput, each way', throughput, PROJECTION] : []),
    ...(of('latency').length > 0 ? ['Few packets on the way', latency] : []),
    CORES,
  ].join('\n');
}

function chainCharts(rows: readonly ChainRow[]): Chart[] {
  const of = (figure: Figure) => rows.filter((row) => row.figure === figure);
  const groups = of('throughput').map(({ guests }) => `${guests} guests`);
  const computed = (
    title: string,
    unit: string,
    kind: Figure,
    value: (row: ChainRow) => Both | undefined,
  ) => ({
    ...{ title, unit, groups: of(kind).map(({ guests }) => `${guests} guests`) },
    series: (['ours', 'ovs'] as const).map((side) => ({
      name: side === 'ours' ? 'vhost-pci' : 'OVS+DPDK',
      values: of(kind).map((row) => single(value(row)?.[side])),
    })),
  });
  return [
    {
      ...pairChart({
        title: 'Chain of guests with l2fwd, each way, all guests on two CPUs',
        sides: ['vhost-pci', 'OVS+DPDK'],
        rows: of('throughput').map((row) => ({ label: row.case, figures: row })),
      }),
      groups,
    },
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

const CORES = `Two CPUs a side. OVS: switch | all guests; ours: guests with this driver | guests with virtio-net`;
const PROJECTION = `cycles a hop: both CPUs' cycles for a packet and hop
projected, not measured: a core for each guest, and one for the switch.
  ours: rate x guests on the CPU with fewer of them, as each would have its core
  OVS: TSC rate / (2 directions x hops x the switch's own cycles for a packet)`;
