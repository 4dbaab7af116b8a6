// SPDX-License-Identifier: BSD-3-Clause
// The suite "ovs": two VM ends over Open vSwitch with DPDK, and over this driver, with the same two CPUs.
import { wordList } from '../../run/arguments.ts';
import { ovsVersion, requireOvs } from '../../run/ovs.ts';
import type { Case, Direction } from '../cases.ts';
import { median, type Spread, spread } from '../instruments/statistics.ts';
import { resultsUntil } from '../interruption.ts';
import { HUGEPAGES_NEEDED } from '../option-checks.ts';
import { sizesOption } from '../options.ts';
import {
  choiceText,
  type OvsChoice,
  PLAIN_OVS,
  settingsWith,
  strongestOvs,
  TUNING_SECONDS,
} from '../ovs-tuning.ts';
import { compare, type PairedRow } from '../paired-rounds.ts';
import { type RoundFigures, roundFigures } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { BURST, requireHugepages } from '../settings.ts';
import { mpps, named, ratioColumns, type Sheet, tableOf, toDigits } from '../sheet.ts';
import { type BackEnd, OurBackEnd } from '../sides/back-ends.ts';
import { checkOrder } from '../sides/order-check.ts';
import { FLOWS, type Flows, OvsBackEnd } from '../sides/ovs.ts';
import { OurRelay } from '../sides/vm-ends.ts';
import { defineSuite, once, type Plan, type Results } from '../suite.ts';

const WAYS = ['to-pmd', 'from-pmd', 'both', 'relay'] as const;
type Way = (typeof WAYS)[number];
const DIRECTION: Readonly<Record<Way, Direction>> = {
  'to-pmd': 'rx',
  'from-pmd': 'tx',
  both: 'io',
  relay: 'relay',
};
/** Bursts that each guest behind the switch sends first. */
const TX_FIRST = 32;

export interface OvsRow extends RoundFigures {
  readonly case: string;
  readonly flows: Flows;
  /** Medians of the rounds in Mpps: packets that arrived, each way. */
  readonly ours_mpps: number;
  readonly ovs_mpps: number;
  /** Million packets per CPU second of all processes of a side; null where the kernel does not tell. */
  readonly per_cpu: { readonly ours: number; readonly ovs: number; readonly ratio: Spread } | null;
  /** The switch's own figure: its poll thread, empty polls not counted. */
  readonly ovs_cycles_per_packet?: number;
  /** Share of the packets sent into the switch in the windows that never arrived; they are in no figure. */
  readonly ovs_lost: number;
  readonly ovs_settings: string;
}

export const ovs = defineSuite({
  name: 'ovs',
  description: 'two VM ends over Open vSwitch with DPDK and over this driver, on the same two CPUs',
  notes: `to-pmd and from-pmd are one way between a guest with this driver and one with
virtio-net; both is both ways between them; relay is both ways between two
guests with virtio-net, and this driver relays. Behind the switch all guests
have virtio-net. The switch has one CPU and both guests the other, polled by
one loop; this driver has one CPU, and its peers the other. One way, our driver
copies whole frames through mbufs; both ways and in relays it copies once,
unless --copying is given. Rates are of packets that arrived, each way.`,
  needsDpdk: () => true,
  peer: 'dpdk',
  options: (command) =>
    command
      .option('--cases <list>', `any of ${WAYS.join(', ')}`, wordList(WAYS), [...WAYS] as Way[])
      .option('--flows <list>', 'fixed: a flow per port; normal: learnt addresses', wordList(FLOWS), [
        ...FLOWS,
      ])
      .option('--copying', 'our driver copies every packet through mbufs')
      .option('--no-tune', "do not try which of the switch's settings are the fastest here")
      .option(...sizesOption([64, 512, 1518])),
  rules: [
    {
      applies: ({ cases }) => cases.every((way) => way === 'to-pmd' || way === 'from-pmd'),
      keys: ['copying'],
      because: 'one way, our driver copies through mbufs anyway',
    },
    HUGEPAGES_NEEDED,
  ],
  cases: ({ cases, sizes }) =>
    cases.flatMap((way) =>
      sizes.map((size) => ({ name: `${way}-${size}`, direction: DIRECTION[way], size })),
    ),
  comparisons: ({ flows }) => flows.length,
  overhead: ({ flows, tune }) => ({ once: 7 + (tune ? flows.length * TUNING_SECONDS : 0), perRound: 8.5 }),
  run: (plan, { flows, tune }) => run(plan, flows, tune),
  sheet: ovsSheet,
  charts: (rows) => [
    pairChart({
      title: 'Two VM ends: this driver and Open vSwitch with DPDK, two CPUs each',
      sides: ['vhost-pci', 'OVS+DPDK'],
      rows,
      label: ({ case: name, flows }) => `${name} ${flows}`,
    }),
  ],
});

async function run(plan: Plan, flows: readonly Flows[], tune: boolean): Promise<Results<OvsRow>> {
  requireOvs();
  requireHugepages(plan.settings, 'Open vSwitch with DPDK');
  await checkPaths(plan);
  const wanted = flows.flatMap((kind) => plan.cases.map((each) => ({ each, kind })));
  const compared = await resultsUntil(plan.signal, wanted, async ({ each, kind }) => {
    const choice = tune ? await once(plan, `tuning ${kind}`, () => strongestOvs(plan, kind)) : PLAIN_OVS;
    return compareWith(plan, each, kind, choice);
  });
  return {
    rows: compared.map(({ row }) => row),
    dpdkVersion: compared[0]?.dpdkVersion,
    ovsVersion: await ovsVersion(),
  };
}

const isOneWay = ({ direction }: Case): boolean => direction === 'rx' || direction === 'tx';

const guestsOf = (wanted: Case, mergeable: boolean) => ({
  ...{ forwardMode: 'io', burst: BURST, size: wanted.size, mergeable, txFirst: TX_FIRST },
  receivers: isOneWay(wanted) ? 1 : 2,
});

const ovsSide = ({ settings, workspace }: Plan, wanted: Case, flows: Flows, choice: OvsChoice) =>
  new OvsBackEnd(settingsWith(choice, settings), workspace, {
    ...{ flows, tuning: choice, ports: 2, oneWay: isOneWay(wanted) },
    guests: guestsOf(wanted, choice.mergeable),
  });

function ourSide({ settings, workspace }: Plan, wanted: Case) {
  if (wanted.direction === 'relay') return new OurRelay(settings, wanted, workspace, guestsOf(wanted, true));
  const copying = settings.copying || isOneWay(wanted);
  return new OurBackEnd({ ...settings, copying }, wanted, workspace);
}

/** Every path that is to be measured, once, at the smallest frame size. */
async function checkPaths(plan: Plan): Promise<void> {
  const { settings, all } = plan;
  const size = Math.min(...all.map((wanted) => wanted.size));
  const check = (path: string, side: () => BackEnd) =>
    once(plan, path, async () => {
      const { frames } = await checkOrder(path, side(), settings, size);
      plan.progress(`${path}: ${frames} frames there and back, in order, none lost`);
    });
  const ours = (direction: Direction) => () => ourSide(plan, { name: direction, direction, size });
  const relayed = all.filter(({ direction }) => direction === 'relay').length;
  if (relayed < all.length) await check('guest, PMD guest', ours('io'));
  if (relayed > 0) await check('guest, relay, guest', ours('relay'));
  const wanted: Case = { name: 'switch', direction: 'relay', size };
  await check('guest, switch, guest', () => ovsSide(plan, wanted, 'fixed', PLAIN_OVS));
}

async function compareWith(
  plan: Plan,
  wanted: Case,
  flows: Flows,
  choice: OvsChoice,
): Promise<{ row: OvsRow; dpdkVersion: string | undefined }> {
  const switches: OvsBackEnd[] = [];
  const { rows, dpdkVersion } = await compare({
    ...plan,
    cases: [wanted],
    ...{ kind: `${flows} flows`, names: ['ours', 'OVS'] as const },
    createA: () => ourSide(plan, wanted),
    createB: () => {
      const side = ovsSide(plan, wanted, flows, choice);
      switches.push(side);
      return side;
    },
  });
  const [row] = rows as [PairedRow];
  const cycles = switches.flatMap((side) => side.cyclesPerPacket() ?? []);
  return {
    dpdkVersion,
    row: {
      ...{ case: row.case, flows, ours_mpps: row.a, ovs_mpps: row.b, per_cpu: perCpu(row) },
      ...(cycles.length > 0 && { ovs_cycles_per_packet: median(cycles) }),
      ovs_lost: Math.max(...switches.map(({ lost }) => lost)),
      ovs_settings: choiceText(choice, plan.settings),
      ...roundFigures(row),
    },
  };
}

function perCpu({ rounds }: PairedRow): OvsRow['per_cpu'] {
  const known = rounds.flatMap((round) => round.perCpu ?? []);
  if (known.length < rounds.length) return null;
  const [ours, theirs] = [known.map(({ a }) => a), known.map(({ b }) => b)];
  return {
    ours: spread(ours).median,
    ovs: spread(theirs).median,
    ratio: spread(known.map(({ ratio }) => ratio)),
  };
}

export function ovsSheet(rows: readonly OvsRow[]): Sheet {
  return {
    tables: [
      tableOf(rows, [
        named('case', (row) => row.case),
        named('flows', (row) => row.flows),
        ...ratioColumns<OvsRow>(),
        mpps('ours', (row) => row.ours_mpps),
        mpps('OVS', (row) => row.ovs_mpps),
        { name: 'per CPU s', of: (row) => row.per_cpu?.ratio.median },
        { name: 'OVS cycles', of: (row) => row.ovs_cycles_per_packet, text: toDigits(0) },
        { name: 'lost', of: (row) => row.ovs_lost, text: (share) => `${(100 * share).toFixed(2)} %` },
      ]),
    ],
    notes: [
      'two CPUs a side: switch | both guests; ours: PMD | the virtio-net guests',
      'per CPU s: ratio of packets per CPU second of all processes; lost: share that the switch dropped',
      ...FLOWS.flatMap((flows) => {
        const row = rows.find((each) => each.flows === flows);
        return row === undefined ? [] : [`OVS ${flows}: ${row.ovs_settings}`];
      }),
    ],
  };
}
