// SPDX-License-Identifier: BSD-3-Clause
// The suite "in-place": packets written or moved in the peer's own buffers, in pairs with the same driver copying them through mbufs.
import type { Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import { compare } from '../paired-rounds.ts';
import { type InPlaceRow, roundFigures } from '../report.ts';
import type { Settings } from '../settings.ts';
import { OurBackEnd } from '../sides/back-ends.ts';

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
  const { rows, dpdkVersion } = await compare({
    ...{ settings, cases, workspace, progress, names: ['in place', 'copying'] },
    createA: (wanted) => new OurBackEnd({ ...settings, copying: false }, wanted, workspace),
    createB: (wanted) => new OurBackEnd({ ...settings, copying: true }, wanted, workspace),
  });
  return {
    rows: rows.map((row) => ({
      ...{ case: row.case, in_place_mpps: row.a, copying_mpps: row.b, ...roundFigures(row) },
    })),
    dpdkVersion,
  };
}
