// SPDX-License-Identifier: BSD-3-Clause
// The suite "loopback": the same peer against our driver and against DPDK's net_vhost, in turn, round by round.
import type { Workspace } from '../run/workspace.ts';
import { NetVhostBackEnd, OurBackEnd } from './back-ends.ts';
import type { Case } from './cases.ts';
import { disturbance, measure } from './measure.ts';
import type { ComparisonRow } from './report.ts';
import type { Settings } from './settings.ts';
import { median, pairedRatio } from './statistics.ts';

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
    const ours: number[] = [];
    const theirs: number[] = [];
    const shares: number[] = [];
    for (let round = 1; round <= settings.rounds; round++) {
      const a = await measure(
        settings,
        wanted,
        () => new OurBackEnd(settings, wanted, workspace, false),
        workspace,
      );
      const b = await measure(
        settings,
        wanted,
        () => new NetVhostBackEnd(settings, wanted, workspace),
        workspace,
      );
      ours.push(a.mpps);
      theirs.push(b.mpps);
      shares.push(a.share, b.share);
      dpdkVersion ??= a.dpdkVersion;
      progress(
        `${wanted.name}, round ${round} of ${settings.rounds}: ours ${a.mpps.toFixed(2)} Mpps, ` +
          `net_vhost ${b.mpps.toFixed(2)} Mpps, ratio ${(a.mpps / b.mpps).toFixed(2)}${disturbance(a, b)}`,
      );
    }
    const cycles = await countCycles(settings, wanted, workspace);
    rows.push({
      case: wanted.name,
      ours_mpps: median(ours),
      theirs_mpps: median(theirs),
      ratio: pairedRatio(ours, theirs),
      cpu_share: Math.min(...shares),
      rounds: ours.map((value, round) => [value, theirs[round] as number]),
      ...(cycles === undefined ? {} : { ours_cycles_per_packet: cycles }),
    });
  }
  return { rows, dpdkVersion };
}

/** A run of its own: counting costs a little, and net_vhost does not count in the rounds either. */
async function countCycles(
  settings: Settings,
  wanted: Case,
  workspace: Workspace,
): Promise<number | undefined> {
  const counted = await measure(
    settings,
    wanted,
    () => new OurBackEnd(settings, wanted, workspace, true),
    workspace,
  );
  return counted.cyclesPerPacket;
}
