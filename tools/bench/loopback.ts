// SPDX-License-Identifier: BSD-3-Clause
// The suite "loopback": the same peer against our driver and against DPDK's net_vhost, in turn, round by round.
import type { Workspace } from '../run/workspace.ts';
import { NetVhostBackEnd, OurBackEnd } from './back-ends.ts';
import type { Case } from './cases.ts';
import { measure } from './measure.ts';
import { pairedRounds } from './paired-rounds.ts';
import type { ComparisonRow } from './report.ts';
import type { Settings } from './settings.ts';

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
  const rows: ComparisonRow[] = [];
  let dpdkVersion: string | undefined;
  for (const wanted of cases) {
    const rounds = await pairedRounds({
      settings,
      wanted,
      workspace,
      createA: () => new OurBackEnd(settings, wanted, workspace),
      createB: () => new NetVhostBackEnd(settings, wanted, workspace),
      describe: (a, b) =>
        `ours ${a.mpps.toFixed(2)} Mpps, net_vhost ${b.mpps.toFixed(2)} Mpps, ratio ${(a.mpps / b.mpps).toFixed(2)}`,
      progress,
    });
    dpdkVersion ??= rounds.dpdkVersion;
    const cycles = await countCycles(settings, wanted, workspace);
    rows.push({
      case: wanted.name,
      ours_mpps: rounds.a,
      theirs_mpps: rounds.b,
      ratio: rounds.ratio,
      cpu_share: rounds.cpuShare,
      rounds: rounds.pairs,
      ...(cycles === undefined ? {} : { ours_cycles_per_packet: cycles }),
    });
  }
  return { rows, dpdkVersion };
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
