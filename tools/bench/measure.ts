// SPDX-License-Identifier: BSD-3-Clause
// One measurement by itself: a fresh back-end, a fresh peer, a warm-up, a window; and everything ended after it, however it went. When
// another process took part of either CPU meanwhile, it is taken again.
import type { Workspace } from '../run/workspace.ts';
import type { Case } from './cases.ts';
import { QUIET_SHARE, waitForQuiet } from './instruments/cpu-share.ts';
import type { Settings } from './settings.ts';
import type { BackEnd } from './sides/back-ends.ts';
import { Side, type Slice } from './sides/side.ts';

/** A machine that is never quiet shall not keep us for ever. */
const ATTEMPTS = 3;

export interface Measurement extends Slice {
  readonly cyclesPerPacket: number | undefined;
  readonly dpdkVersion: string | undefined;
}

/** The least disturbed of a few. Throws VPCI_NO_TRAFFIC when not a packet moved in the window, and what a program that failed said. */
export async function measure(
  settings: Settings,
  wanted: Case,
  createBackEnd: () => BackEnd,
  workspace: Workspace,
): Promise<Measurement> {
  let best: Measurement | undefined;
  for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
    await waitForQuiet();
    const measurement = await measureOnce(settings, wanted, createBackEnd(), workspace);
    if (!best || measurement.share > best.share) best = measurement;
    if (best.share >= QUIET_SHARE) break;
  }
  return best as Measurement;
}

async function measureOnce(
  settings: Settings,
  wanted: Case,
  backEnd: BackEnd,
  workspace: Workspace,
): Promise<Measurement> {
  const side = new Side(settings, wanted, backEnd, workspace);
  let window: Slice;
  try {
    await side.start();
    window = await side.measure(settings.seconds);
  } finally {
    await side.stop();
  }
  return { ...window, cyclesPerPacket: backEnd.cyclesPerPacket?.(), dpdkVersion: side.dpdkVersion };
}

/** For the line of a round: nothing when both sides had their CPUs for themselves. */
export function disturbance(share: number, enough = QUIET_SHARE): string {
  return share >= enough ? '' : ` (disturbed: a side had ${Math.round(100 * share)} % of its CPU)`;
}
