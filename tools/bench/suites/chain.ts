// SPDX-License-Identifier: BSD-3-Clause
// The suite "chain": 2 to 7 guests that forward in mode mac, over Open vSwitch with DPDK and over vhost-pci
// links, as in the RFC's chart. The last guest is joined to the first, so that packets go round: no CPU goes
// into making and counting them.
import { native } from '../../../src/native.ts';
import { numberList, wordList } from '../../run/arguments.ts';
import { ovsVersion, requireOvs } from '../../run/ovs.ts';
import type { Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import { median } from '../instruments/statistics.ts';
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
import { roundFigures } from '../report.ts';
import { BURST, requireHugepages } from '../settings.ts';
import { ChainBackEnd, kindsOf } from '../sides/chain.ts';
import { OpenRing, type Ring } from '../sides/open-ring.ts';
import { checkOrder } from '../sides/order-check.ts';
import { OvsBackEnd } from '../sides/ovs.ts';
import { SectionChain } from '../sides/section-chain.ts';
import { defineSuite, memoryOf, once, type Plan, type Results } from '../suite.ts';
import { projectedMpps } from './chain-projection.ts';
import {
  type ChainRow,
  chainCharts,
  chainSheet,
  FIGURES,
  type Figure,
  RFCS,
  type Rfc,
} from './chain-results.ts';

/** Bursts that each port sends first, at full rate. */
const TX_FIRST = 8;
/** Guests of the shortest ring that is checked: a shorter one has no link but those of the first guest. */
const CHECKED = 3;

export const chain = defineSuite({
  name: 'chain',
  description: '2 to 7 guests that forward in mode mac, over Open vSwitch with DPDK and over vhost-pci links',
  notes: `All guests forward in mode mac, and the last is joined to the first: packets go
round, both ways. Both sides have two CPUs. Open vSwitch has one and all guests
the other. Over vhost-pci, no CPU switches: with RFC 2.0, guests with this
driver have one CPU and guests with virtio-net the other, in turns; of an odd
number, two with this driver are joined by RFC 2.1. With RFC 2.1, all guests
have this driver, and every second one the same CPU. One loop polls all ports of
a CPU.
Latency: each port sends one packet, bursts are of one, and a hop takes the
mean time that Little's law gives for the packets that are on the way.
With the defaults it takes about 30 minutes on a quiet machine.`,
  needsDpdk: () => true,
  peer: 'dpdk',
  options: (command) =>
    command
      .option('--lengths <list>', 'numbers of guests, 2 to 7', numberList(2, 7), [2, 3, 4, 5, 6, 7])
      .option('--figures <list>', `any of ${FIGURES.join(', ')}`, wordList(FIGURES), [...FIGURES] as Figure[])
      .option('--rfc <list>', `any of ${RFCS.join(', ')}`, wordList(RFCS), [...RFCS] as Rfc[])
      .option('--no-tune', "do not try which of the switch's settings are the fastest here")
      .option(...sizesOption([64])),
  rules: [HUGEPAGES_NEEDED],
  cases: ({ lengths, figures, sizes }) =>
    figures.flatMap((figure) =>
      lengths.flatMap((guests) =>
        sizes.map((size) => ({ name: `${figure}-${guests}-${size}`, direction: 'relay' as const, size })),
      ),
    ),
  comparisons: ({ rfc }) => rfc.length,
  overhead: ({ tune }) => ({ once: 24 + (tune ? TUNING_SECONDS : 0), perRound: 9.5 }),
  run: (plan, { rfc, tune }) => run(plan, rfc, tune),
  sheet: chainSheet,
  charts: chainCharts,
});

async function run(plan: Plan, rfcs: readonly Rfc[], tune: boolean): Promise<Results<ChainRow>> {
  requireOvs();
  requireHugepages(plan.settings, 'Open vSwitch with DPDK');
  const choice = tune ? await once(plan, 'tuning fixed', () => strongestOvs(plan, 'fixed')) : PLAIN_OVS;
  await checkRings(plan, rfcs);
  const wanted = plan.cases.flatMap((each) => rfcs.map((rfc) => ({ each, rfc })));
  const compared = await resultsUntil(plan.signal, wanted, ({ each, rfc }) =>
    compareOver(plan, each, rfc, choice),
  );
  return {
    rows: compared.map(({ row }) => row),
    dpdkVersion: compared[0]?.dpdkVersion,
    ovsVersion: await ovsVersion(),
  };
}

/** The longest ring of each kind, once, before anything is measured. */
async function checkRings(plan: Plan, rfcs: readonly Rfc[]): Promise<void> {
  const { settings, workspace, all } = plan;
  const length = Math.max(CHECKED, ...all.map(({ name }) => Number(name.split('-')[1])));
  const wanted: Case = { name: 'ring', direction: 'relay', size: Math.min(...all.map(({ size }) => size)) };
  const memory = await memoryOf(plan);
  const guests = { ...guestsOf(wanted, 'throughput', 1), forwardMode: 'io' };
  const rings: Record<string, () => Ring> = {
    ...(rfcs.includes('2.0') && {
      'RFC 2.0': () => new ChainBackEnd(settings, workspace, memory, length, guests),
    }),
    ...(rfcs.includes('2.1') && {
      'RFC 2.1': () => new SectionChain(settings, memory, length, guests, workspace),
    }),
    OVS: () => ovsSide(plan, wanted, 'throughput', length, PLAIN_OVS),
  };
  for (const [name, ring] of Object.entries(rings)) {
    const path = `${length} guests over ${name}`;
    await once(plan, path, async () => {
      const open = new OpenRing(ring(), settings, workspace, guests);
      const { frames } = await checkOrder(path, open, settings, wanted.size);
      plan.progress(`${path}: ${frames} frames there and back, in order, none lost`);
    });
  }
}

async function compareOver(
  plan: Plan,
  wanted: Case,
  rfc: Rfc,
  choice: OvsChoice,
): Promise<{ row: ChainRow; dpdkVersion: string | undefined }> {
  const memory = await memoryOf(plan);
  const [figure, length] = wanted.name.split('-') as [Figure, string];
  const guests = Number(length);
  const sides: Sides = { ours: [], ovs: [] };
  const { rows, dpdkVersion } = await compare({
    ...plan,
    cases: [wanted],
    ...{ kind: `RFC ${rfc}`, names: ['ours', 'OVS'] as const },
    createA: () => added(sides.ours, ourSide(plan, memory, wanted, figure, guests, rfc)),
    createB: () => added(sides.ovs, ovsSide(plan, wanted, figure, guests, choice)),
  });
  const [row] = rows as [PairedRow];
  return {
    dpdkVersion,
    row: {
      ...{ case: row.case, guests, figure, rfc, ours_mpps: row.a, ovs_mpps: row.b },
      ...(figure === 'latency' ? hopTimes(row, guests, sides) : costs(row, guests, sides)),
      ovs_settings: choiceText(choice, plan.settings),
      ...roundFigures(row),
    },
  };
}

interface Sides {
  readonly ours: (ChainBackEnd | SectionChain)[];
  readonly ovs: OvsBackEnd[];
}

function added<Side>(list: Side[], side: Side): Side {
  list.push(side);
  return side;
}

const guestsOf = ({ size }: Case, figure: Figure, receivers: number, mergeable = true) => ({
  ...{ forwardMode: 'mac', size, mergeable, receivers },
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
  rfc: Rfc,
): ChainBackEnd | SectionChain {
  const receivers = 2 * kindsOf(guests).virtio;
  if (rfc === '2.1') return new SectionChain(settings, memory, guests, guestsOf(wanted, figure, receivers));
  return new ChainBackEnd(settings, workspace, memory, guests, guestsOf(wanted, figure, receivers));
}

function ovsSide(
  { settings, workspace }: Plan,
  wanted: Case,
  figure: Figure,
  guests: number,
  choice: OvsChoice,
): OvsBackEnd {
  return new OvsBackEnd(settingsWith(choice, settings), workspace, {
    ...{ flows: 'fixed' as const, tuning: choice, ports: 2 * guests, oneWay: false },
    guests: guestsOf(wanted, figure, 2 * guests, choice.mergeable),
  });
}

/** Little's law: packets on the way = rate x time; half of them go each way. */
function hopTimes({ a, b }: PairedRow, guests: number, { ours, ovs }: Sides): Pick<ChainRow, 'hop_us'> {
  const [inOurs, inOvs] = [ours.at(-1)?.inFlight ?? 0, ovs.at(-1)?.inFlight ?? 0];
  if (inOurs === 0 || inOvs === 0) return {};
  return { hop_us: { ours: inOurs / 2 / a / guests, ovs: inOvs / 2 / b / guests } };
}

function costs({ a, b }: PairedRow, guests: number, { ovs }: Sides): Partial<ChainRow> {
  const tscMhz = native.tscHz() / 1e6;
  const hop = (mpps: number) => (2 * tscMhz) / (2 * mpps * guests);
  const switching = ovs.flatMap((side) => side.cyclesPerPacket() ?? []);
  return {
    cycles: { ours: hop(a), ovs: hop(b) },
    ...(switching.length > 0 && {
      switch_cycles: median(switching),
      projected_mpps: projectedMpps({
        ...{ guests, measured: { ours: a, ovs: b }, switching: median(switching), tscMhz },
      }),
    }),
  };
}
