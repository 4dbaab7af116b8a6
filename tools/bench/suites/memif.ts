// SPDX-License-Identifier: BSD-3-Clause
// The suite "memif": this driver over RFC 2.1 and over RFC 2.0, each paired with two processes over DPDK's
// net_memif. Nothing else shares a memory between two processes in DPDK without a switch.
import { wordList } from '../../run/arguments.ts';
import { requireMemif } from '../../run/dpdk.ts';
import { casesOf } from '../cases.ts';
import { resultsUntil } from '../interruption.ts';
import { casesOption, sizesOption } from '../options.ts';
import { type Comparison, compare } from '../paired-rounds.ts';
import { type RoundFigures, roundFigures } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { requireHugepages } from '../settings.ts';
import { mpps, named, ratioColumns, type Sheet, tableOf } from '../sheet.ts';
import { OurBackEnd } from '../sides/back-ends.ts';
import { MemifPair, SectionPair } from '../sides/pairs.ts';
import { defineSuite, memoryOf, once, type Plan, type Results } from '../suite.ts';

const MODES = ['copying', 'in-place'] as const;
type Mode = (typeof MODES)[number];
/** 2.1: two of ours over a memory between them; 2.0: one of ours, in the memory of DPDK's virtio-user. */
const RFCS = ['2.1', '2.0'] as const;
type Rfc = (typeof RFCS)[number];

export interface MemifRow extends RoundFigures {
  readonly case: string;
  readonly mode: Mode;
  readonly rfc: Rfc;
  /** Medians of the rounds in Mpps. */
  readonly ours_mpps: number;
  readonly memif_mpps: number;
}

export const memif = defineSuite({
  name: 'memif',
  description: "this driver over RFC 2.1 and 2.0 against DPDK's net_memif, in alternating slices",
  notes: `tx is from the first process to the second, which is memif's client; rx is
back. RFC 2.1: both processes are ours; 2.0: the second is DPDK's virtio-user,
whose memory the first works in. Copying, the drivers copy each packet into the
shared memory and out of it; over 2.0, only ours has to. In place, ours works in
the shared memory, and memif's client is started with zero-copy=yes, which needs
hugepages. Over 2.1 and memif, --queue-size and --packed do not apply.`,
  needsDpdk: () => true,
  peer: 'dpdk',
  options: (command) =>
    command
      .option('--modes <list>', `any of ${MODES.join(', ')}`, wordList(MODES), [...MODES] as Mode[])
      .option('--rfc <list>', `any of ${RFCS.join(', ')}`, wordList(RFCS), [...RFCS] as Rfc[])
      .option(...casesOption(['rx', 'tx'] as const, ['rx', 'tx']))
      .option(...sizesOption([64, 1518])),
  rules: [
    {
      applies: ({ rfc }) => !rfc.includes('2.0'),
      keys: ['queueSize', 'packed'],
      because: "not with --rfc 2.1 alone: only rings of RFC 2.0 are virtio-user's",
    },
    {
      applies: ({ modes }) => !modes.includes('copying'),
      keys: ['huge'],
      because: 'not with --modes in-place alone, for which net_memif needs hugepages',
    },
  ],
  cases: ({ cases, sizes }) => casesOf(cases, sizes),
  comparisons: ({ modes, rfc }) => modes.length * rfc.length,
  overhead: () => ({ perRound: 4 }),
  run: (plan, { modes, rfc }) => run(plan, modes, rfc),
  sheet: memifSheet,
  charts: (rows) => [
    pairChart({
      title: 'This driver over RFC 2.1 and 2.0, and net_memif',
      sides: ['vhost-pci', 'net_memif'],
      rows,
      label: ({ case: name, mode, rfc }) => `${name} ${mode}, RFC ${rfc}`,
    }),
  ],
});

async function run(plan: Plan, modes: readonly Mode[], rfcs: readonly Rfc[]): Promise<Results<MemifRow>> {
  requireMemif();
  if (!modes.includes('copying')) requireHugepages(plan.settings, "net_memif's zero-copy");
  const possible = plan.settings.hugepages ? modes : modes.filter((mode) => mode !== 'in-place');
  if (possible.length < modes.length)
    await once(plan, 'left out of memif', async () =>
      plan.progress("in-place is left out: net_memif's zero-copy needs hugepages"),
    );
  const wanted = possible.flatMap((mode) => rfcs.map((rfc) => ({ mode, rfc })));
  const compared = await resultsUntil(plan.signal, wanted, async (each) => ({
    ...each,
    ...(await compareOver(plan, each.rfc, each.mode === 'copying')),
  }));
  return {
    dpdkVersion: compared[0]?.dpdkVersion,
    rows: compared.flatMap(({ mode, rfc, rows }) =>
      rows.map((row) => ({
        ...{ case: row.case, mode, rfc, ours_mpps: row.a, memif_mpps: row.b },
        ...roundFigures(row),
      })),
    ),
  };
}

async function compareOver(plan: Plan, rfc: Rfc, copying: boolean): Promise<Comparison> {
  const { settings, workspace } = plan;
  const memory = await memoryOf(plan);
  return compare({
    ...plan,
    kind: `RFC ${rfc}, ${copying ? 'copying' : 'in place'}`,
    names: ['ours', copying ? 'net_memif' : 'net_memif, zero-copy'],
    createA: (wanted) =>
      rfc === '2.1'
        ? new SectionPair(settings, wanted, memory, copying)
        : new OurBackEnd({ ...settings, copying }, wanted, workspace),
    createB: (wanted) => new MemifPair(settings, wanted, workspace, !copying),
  });
}

export function memifSheet(rows: readonly MemifRow[]): Sheet {
  return {
    tables: [
      tableOf(rows, [
        named('case', (row) => row.case),
        { name: 'mode', of: (row) => row.mode },
        { name: 'RFC', of: (row) => row.rfc },
        ...ratioColumns<MemifRow>(),
        mpps('ours', (row) => row.ours_mpps),
        mpps('net_memif', (row) => row.memif_mpps),
      ]),
    ],
  };
}
