// SPDX-License-Identifier: BSD-3-Clause
// One measurement by itself: a fresh back-end, a fresh peer, a warm-up, a window; and everything ended after it, however it went. When
// another process took part of either CPU meanwhile, it is taken again.
import type { Workspace } from '../run/workspace.ts';
import type { BackEnd } from './back-ends.ts';
import type { Case } from './cases.ts';
import { QUIET_SHARE, waitForQuiet } from './cpu-share.ts';
import type { Settings } from './settings.ts';
import { Side, type Slice } from './side.ts';

/** A machine that is never quiet shall not keep us for ever. */
const ATTEMPTS = 3;
const QUIET_WAIT_MS = 3000;

export interface Measurement extends Slice {
  readonly cyclesPerPacket: number | undefined;
  readonly dpdkVersion: string | undefined;
}

/** Throws VPCI_NO_TRAFFIC when not a packet moved in the window, and what a program that failed said. */
export function measure(
  settings: Settings,
  wanted: Case,
  createBackEnd: () => BackEnd,
  workspace: Workspace,
): Promise<Measurement> {
  return untilQuiet(async () => {
    const side = new Side(settings, wanted, createBackEnd(), workspace);
    let window: Slice;
    try {
      await side.start();
      window = await side.measure(settings.seconds);
    } finally {
      await side.stop();
    }
    return { ...window, cyclesPerPacket: side.backEnd.cyclesPerPacket?.(), dpdkVersion: side.dpdkVersion };
  }, QUIET_SHARE);
}

/** The first measurement whose loops had `enough` of their CPUs, or the least disturbed of several. */
export async function untilQuiet<T extends { readonly share: number }>(
  attempt: () => Promise<T>,
  enough: number,
): Promise<T> {
  let best: T | undefined;
  for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
    await waitForQuiet(QUIET_WAIT_MS);
    const measurement = await attempt();
    if (!best || measurement.share > best.share) best = measurement;
    if (best.share >= enough) break;
  }
  return best as T;
}

/** For the line of a round: nothing when both sides had their CPUs for themselves. */
export function disturbance(share: number, enough = QUIET_SHARE): string {
  return share >= enough ? '' : ` (disturbed: a side had ${Math.round(100 * share)} % of its CPU)`;
}
