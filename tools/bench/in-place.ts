// SPDX-License-Identifier: BSD-3-Clause
// The suite "in-place": packets written or moved in the peer's own buffers, in pairs with the same driver copying them through mbufs.
import type { Workspace } from '../run/workspace.ts';
import { OurBackEnd } from './back-ends.ts';
import type { Case } from './cases.ts';
import { pairedRounds } from './paired-rounds.ts';
import type { InPlaceRow } from './report.ts';
import type { Settings } from './settings.ts';

export interface InPlaceResult {
  readonly rows: InPlaceRow[];
  readonly dpdkVersion: string | undefined;
}

export async function inPlace(
  settings: Settings,
  cases: readonly Case[],
  workspace: Workspace,
  progress: (line: string) => void,
): Promise<InPlaceResult> {
  const rows: InPlaceRow[] = [];
  let dpdkVersion: string | undefined;
  for (const wanted of cases) {
    const rounds = await pairedRounds({
      settings,
      wanted,
      workspace,
      createA: () => new OurBackEnd({ ...settings, copying: false }, wanted, workspace),
      createB: () => new OurBackEnd({ ...settings, copying: true }, wanted, workspace),
      describe: (a, b) => `in place ${a.mpps.toFixed(2)} Mpps, copying ${b.mpps.toFixed(2)} Mpps`,
      progress,
    });
    dpdkVersion ??= rounds.dpdkVersion;
    rows.push({
      case: wanted.name,
      in_place_mpps: rounds.a,
      copying_mpps: rounds.b,
      ratio: rounds.ratio,
      cpu_share: rounds.cpuShare,
      rounds: rounds.pairs,
    });
  }
  return { rows, dpdkVersion };
}
