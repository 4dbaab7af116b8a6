// SPDX-License-Identifier: BSD-3-Clause
// The suite "interrupts": what adaptive interrupt mode costs under load, in pairs with polling, and what each mode uses while the link
// is up and the peer is silent.
import { setTimeout as sleep } from 'node:timers/promises';
import { stopAll, type Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import { CpuMeter } from '../instruments/cpu-share.ts';
import { compare } from '../paired-rounds.ts';
import { type IdleRow, type InterruptRow, roundFigures } from '../report.ts';
import { type Settings, WARM_UP_SECONDS } from '../settings.ts';
import { OurBackEnd } from '../sides/back-ends.ts';
import { createPeer } from '../sides/peers.ts';

export interface InterruptsResult {
  readonly rows: InterruptRow[];
  readonly idle: IdleRow[];
  readonly dpdkVersion: string | undefined;
}

/** Modes of testpmd's --rx-interrupt. */
const MODES = ['adaptive', 'on', 'off'] as const;
type Mode = (typeof MODES)[number];

export async function interrupts(
  settings: Settings,
  cases: readonly Case[],
  workspace: Workspace,
  progress: (line: string) => void,
): Promise<InterruptsResult> {
  const backEnd = (wanted: Case, mode: Mode) =>
    new OurBackEnd(settings, wanted, workspace, [`--rx-interrupt=${mode}`]);
  const { rows, dpdkVersion } = await compare({
    ...{ settings, cases, workspace, progress, names: ['adaptive', 'polling'] },
    createA: (wanted) => backEnd(wanted, 'adaptive'),
    createB: (wanted) => backEnd(wanted, 'off'),
  });
  const idle: IdleRow[] = [];
  for (const mode of MODES) {
    const cpus = await idleCpus(settings, workspace, (wanted) => backEnd(wanted, mode));
    idle.push({ case: 'idle', mode, cpus: cpus ?? null });
    progress(`idle, ${mode}: ${cpus === undefined ? 'unknown' : `${(100 * cpus).toFixed(2)} % of a CPU`}`);
  }
  return {
    rows: rows.map((row) => ({
      ...{ case: row.case, adaptive_mpps: row.a, polling_mpps: row.b, ...roundFigures(row) },
    })),
    idle,
    dpdkVersion,
  };
}

/** CPUs that the back-end's process uses, all threads together, over the window's time: both sides only receive. */
async function idleCpus(
  settings: Settings,
  workspace: Workspace,
  createBackEnd: (wanted: Case) => OurBackEnd,
): Promise<number | undefined> {
  const backEnd = createBackEnd({ name: 'idle', direction: 'rx', size: 64 });
  let peer: ReturnType<typeof createPeer> | undefined;
  try {
    await backEnd.start();
    peer = createPeer(settings, { name: 'idle', direction: 'tx', size: 64 }, backEnd.sockets, workspace);
    await peer.start();
    await sleep(1000 * WARM_UP_SECONDS);
    const meter = new CpuMeter(backEnd.pid as number);
    await sleep(1000 * settings.seconds);
    return meter.total();
  } finally {
    await stopAll([peer, backEnd]);
  }
}
