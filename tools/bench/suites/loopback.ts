// SPDX-License-Identifier: BSD-3-Clause
// The suite "loopback": the same peer against our driver and against DPDK's net_vhost.
import type { Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import { measure } from '../measure.ts';
import { compare } from '../paired-rounds.ts';
import { type ComparisonRow, roundFigures } from '../report.ts';
import type { Settings } from '../settings.ts';
import { NetVhostBackEnd, OurBackEnd } from '../sides/back-ends.ts';

export interface LoopbackResult {
  readonly rows: ComparisonRow[];
  readonly dpdkVersion: string | undefined;
}

/** `progress` takes a line for each round. */
export async function loopback(
  settings: Settings,
  cases: readonly Case[],
  workspace: Workspace,
  progress: (line: string) => void,
): Promise<LoopbackResult> {
  const { rows, dpdkVersion } = await compare({
    ...{ settings, cases, workspace, progress, names: ['ours', 'net_vhost'] },
    createA: (wanted) => new OurBackEnd(settings, wanted, workspace),
    createB: (wanted) => new NetVhostBackEnd(settings, wanted, workspace),
  });
  const counted: ComparisonRow[] = [];
  for (const [index, row] of rows.entries()) {
    const cycles = await countCycles(settings, cases[index] as Case, workspace);
    counted.push({
      ...{ case: row.case, ours_mpps: row.a, theirs_mpps: row.b, ...roundFigures(row) },
      ...(cycles === undefined ? {} : { ours_cycles_per_packet: cycles }),
    });
  }
  return { rows: counted, dpdkVersion };
}

/** A run of its own: counting costs two calls into the addon a burst, and net_vhost does not count in the rounds either. */
async function countCycles(
  settings: Settings,
  wanted: Case,
  workspace: Workspace,
): Promise<number | undefined> {
  const counted = await measure(
    settings,
    wanted,
    () => new OurBackEnd(settings, wanted, workspace, ['--record-core-cycles']),
    workspace,
  );
  return counted.cyclesPerPacket;
}
