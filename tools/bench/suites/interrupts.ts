// SPDX-License-Identifier: BSD-3-Clause
// The suite "interrupts": what adaptive interrupt mode costs under load, paired with polling, and how much
// CPU each mode uses while the link is up and the peer is silent.
import { setTimeout as sleep } from 'node:timers/promises';
import { stopAll, type Workspace } from '../../run/workspace.ts';
import { type Case, casesOf } from '../cases.ts';
import { CpuMeter } from '../instruments/cpu-share.ts';
import { casesOption, sizesOption } from '../options.ts';
import { compare } from '../paired-rounds.ts';
import { type RoundFigures, roundFigures } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { type Settings, WARM_UP_SECONDS } from '../settings.ts';
import { mpps, named, ratioColumns, type Sheet, type Table, tableOf } from '../sheet.ts';
import { OurBackEnd } from '../sides/back-ends.ts';
import { createPeer } from '../sides/peers.ts';
import { defineSuite, type Plan, type Results } from '../suite.ts';

export interface InterruptRow extends RoundFigures {
  readonly case: string;
  readonly adaptive_mpps: number;
  readonly polling_mpps: number;
}

/** CPUs that the whole process uses when idle, by mode; null where the kernel does not report it. */
export interface IdleRow {
  readonly case: 'idle';
  readonly mode: string;
  readonly cpus: number | null;
}

type Row = InterruptRow | IdleRow;

/** A back-end that only sends has no interrupt to wait for. */
const DIRECTIONS = ['rx', 'io'] as const;
/** Modes of testpmd's --rx-interrupt. */
const MODES = ['adaptive', 'on', 'off'] as const;
type Mode = (typeof MODES)[number];

export const interrupts = defineSuite({
  name: 'interrupts',
  description:
    'adaptive interrupt mode against polling, in alternating slices, and the CPU use of each mode when idle',
  options: (command) => command.option(...casesOption(DIRECTIONS, DIRECTIONS)).option(...sizesOption([64])),
  cases: ({ cases, sizes }) => casesOf(cases, sizes),
  run,
  sheet: interruptSheet,
  charts: (rows) => [
    pairChart({
      title: 'Interrupt mode and polling',
      sides: ['adaptive', 'polling'],
      rows: rows.filter(isCompared),
    }),
  ],
});

const isIdle = (row: Row): row is IdleRow => row.case === 'idle';
const isCompared = (row: Row): row is InterruptRow => !isIdle(row);

async function run(plan: Plan): Promise<Results<Row>> {
  const { settings, workspace } = plan;
  const { rows, dpdkVersion } = await compare({
    ...plan,
    names: ['adaptive', 'polling'],
    createA: (wanted) => backEndIn('adaptive', settings, wanted, workspace),
    createB: (wanted) => backEndIn('off', settings, wanted, workspace),
  });
  const compared = rows.map((row) => ({
    ...{ case: row.case, adaptive_mpps: row.a, polling_mpps: row.b, ...roundFigures(row) },
  }));
  const isLast = plan.cases.at(-1) === plan.all.at(-1) && !plan.signal?.aborted;
  return { rows: [...compared, ...(isLast ? await idleRows(plan) : [])], dpdkVersion };
}

async function idleRows(plan: Plan): Promise<IdleRow[]> {
  const idle: IdleRow[] = [];
  for (const mode of MODES) {
    const cpus = await idleCpus(plan, mode);
    idle.push({ case: 'idle', mode, cpus: cpus ?? null });
    plan.progress(
      `idle, ${mode}: ${cpus === undefined ? 'unknown' : `${(100 * cpus).toFixed(2)} % of a CPU`}`,
    );
  }
  return idle;
}

const backEndIn = (mode: Mode, settings: Settings, wanted: Case, workspace: Workspace): OurBackEnd =>
  new OurBackEnd(settings, wanted, workspace, [`--rx-interrupt=${mode}`]);

/** CPUs that the back-end's process uses, all threads together, over the window. Both sides only receive. */
async function idleCpus({ settings, workspace }: Plan, mode: Mode): Promise<number | undefined> {
  const backEnd = backEndIn(mode, settings, { name: 'idle', direction: 'rx', size: 64 }, workspace);
  let peer: ReturnType<typeof createPeer> | undefined;
  try {
    return await backEnd.watch.during(async () => {
      await backEnd.start();
      peer = createPeer(settings, { name: 'idle', direction: 'tx', size: 64 }, backEnd.sockets, workspace);
      backEnd.watch.add(peer.child);
      await peer.start();
      await sleep(1000 * WARM_UP_SECONDS);
      const meter = new CpuMeter(backEnd.pid as number);
      await sleep(1000 * settings.seconds);
      return meter.total();
    });
  } finally {
    await stopAll([peer, backEnd]);
  }
}

export function interruptSheet(rows: readonly Row[]): Sheet {
  const idle = rows.filter(isIdle);
  return { tables: [interruptTable(rows.filter(isCompared)), ...(idle.length > 0 ? [idleTable(idle)] : [])] };
}

const interruptTable = (rows: readonly InterruptRow[]): Table =>
  tableOf(rows, [
    named('case', (row) => row.case),
    ...ratioColumns<InterruptRow>(),
    mpps('adaptive', (row) => row.adaptive_mpps),
    mpps('polling', (row) => row.polling_mpps),
  ]);

const idleTable = (rows: readonly IdleRow[]): Table =>
  tableOf(rows, [
    named('idle, --rx-interrupt', (row) => row.mode),
    { name: 'of a CPU', of: (row) => row.cpus, text: (cpus) => `${(100 * cpus).toFixed(2)} %` },
  ]);
