// SPDX-License-Identifier: BSD-3-Clause
// Two back-ends in turn, A B A B, with the same peer: what every comparison of this benchmark is made of.
import type { Workspace } from '../run/workspace.ts';
import type { BackEnd } from './back-ends.ts';
import type { Case } from './cases.ts';
import { disturbance, type Measurement, measure } from './measure.ts';
import type { Settings } from './settings.ts';
import { median, pairedRatio, type Spread } from './statistics.ts';

export interface Rounds {
  /** Medians, Mpps. */
  readonly a: number;
  readonly b: number;
  /** Of a to b, round by round. */
  readonly ratio: Spread;
  /** The least share of its CPU that a poll loop had. */
  readonly cpuShare: number;
  /** Mpps of every round. */
  readonly pairs: readonly (readonly [number, number])[];
  readonly dpdkVersion: string | undefined;
}

export interface RoundsPlan {
  readonly settings: Settings;
  readonly wanted: Case;
  readonly workspace: Workspace;
  readonly createA: () => BackEnd;
  readonly createB: () => BackEnd;
  /** The words of a round's progress line. */
  describe(a: Measurement, b: Measurement): string;
  progress(line: string): void;
}

export async function pairedRounds(plan: RoundsPlan): Promise<Rounds> {
  const { settings, wanted, workspace } = plan;
  const as: Measurement[] = [];
  const bs: Measurement[] = [];
  for (let round = 1; round <= settings.rounds; round++) {
    const a = await measure(settings, wanted, plan.createA, workspace);
    const b = await measure(settings, wanted, plan.createB, workspace);
    as.push(a);
    bs.push(b);
    plan.progress(
      `${wanted.name}, round ${round} of ${settings.rounds}: ${plan.describe(a, b)}${disturbance(a, b)}`,
    );
  }
  const rates = (of: readonly Measurement[]) => of.map(({ mpps }) => mpps);
  return {
    a: median(rates(as)),
    b: median(rates(bs)),
    ratio: pairedRatio(rates(as), rates(bs)),
    cpuShare: Math.min(...[...as, ...bs].map(({ share }) => share)),
    pairs: as.map((a, round) => [a.mpps, (bs[round] as Measurement).mpps] as const),
    dpdkVersion: as[0]?.dpdkVersion,
  };
}
