// SPDX-License-Identifier: BSD-3-Clause
// The suite "memif": two processes over RFC 2.1, paired with two over DPDK's net_memif. Nothing else shares a
// memory between two processes in DPDK without a switch.

import { wordList } from '../../run/arguments.ts';
import { requireMemif } from '../../run/dpdk.ts';
import { Workspace } from '../../run/workspace.ts';
import { casesOf } from '../cases.ts';
import { casesOption, sizesOption } from '../options.ts';
import { compare } from '../paired-rounds.ts';
import { fixed, type RoundFigures, render, roundFigures, spreadCells } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { MemifPair, SectionPair } from '../sides/pairs.ts';
import { defineSuite, once, type Plan, type Results } from '../suite.ts';

const MODES = ['copying', 'in-place'] as const;
type Mode = (typeof MODES)[number];

export interface MemifRow extends RoundFigures {
  readonly case: string;
  readonly mode: Mode;
  /** Medians of the rounds in Mpps. */
  readonly ours_mpps: number;
  readonly memif_mpps: number;
}

/** Where tmpfs is; both files of a side lie there. */
const TMPFS = '/dev/shm';

export const memif = defineSuite({
  name: 'memif',
  description: "two processes over RFC 2.1 against two over DPDK's net_memif, in alternating slices",
  notes: `tx is from the first process to the second, which is memif's client; rx is
back. Copying, both drivers copy each packet into the shared memory and out of
it. In place, ours writes and reads packets in the shared memory, and memif's
client is started with zero-copy=yes, which needs hugepages. Entries of rings
and --packed do not apply.`,
  needsDpdk: true,
  peer: 'dpdk',
  options: (command) =>
    command
      .option('--modes <list>', `any of ${MODES.join(', ')}`, wordList(MODES), [...MODES] as Mode[])
      .option(...casesOption(['rx', 'tx'] as const, ['rx', 'tx']))
      .option(...sizesOption([64, 1518])),
  cases: ({ cases, sizes }) => casesOf(cases, sizes),
  run: (plan, { modes }) => run(plan, modes),
  table: memifTable,
  charts: (rows) => [
    pairChart({
      title: 'RFC 2.1 and net_memif',
      sides: ['vhost-pci 2.1', 'net_memif'],
      rows: rows.map((row) => ({ label: `${row.case} ${row.mode}`, figures: row })),
    }),
  ],
});

async function run(plan: Plan, modes: readonly Mode[]): Promise<Results<MemifRow>> {
  requireMemif();
  const { settings, workspace } = plan;
  const memory = await once(plan, TMPFS, async () => new Workspace(TMPFS));
  const rows: MemifRow[] = [];
  let dpdkVersion: string | undefined;
  for (const mode of modes) {
    if (mode === 'in-place' && !settings.hugepages) {
      plan.progress("in-place is left out: net_memif's zero-copy needs hugepages");
      continue;
    }
    const copying = mode === 'copying';
    const compared = await compare({
      ...plan,
      names: [`ours, ${mode}`, copying ? 'net_memif' : 'net_memif, zero-copy'],
      createA: (wanted) => new SectionPair(settings, wanted, memory, copying),
      createB: (wanted) => new MemifPair(settings, wanted, workspace, !copying),
    });
    dpdkVersion ??= compared.dpdkVersion;
    for (const row of compared.rows)
      rows.push({ case: row.case, mode, ours_mpps: row.a, memif_mpps: row.b, ...roundFigures(row) });
  }
  return { rows, dpdkVersion };
}

export function memifTable(rows: readonly MemifRow[]): string {
  return render(
    ['case', 'mode', 'ours Mpps', 'net_memif Mpps', 'ratio: median', 'min', 'max'],
    rows.map(({ case: name, mode, ours_mpps, memif_mpps, ratio, disturbed }) => [
      ...[name, mode, fixed(ours_mpps), fixed(memif_mpps), ...spreadCells(ratio, disturbed)],
    ]),
  );
}
