// SPDX-License-Identifier: BSD-3-Clause
// --gaps: when each packet of a replay was sent or came, as CSV.

import { ticksOf } from '../../src/lcore/ticks.ts';
import { requireMemory } from '../../src/machine-memory.ts';
import { GAP_LOG_ENTRY, GapLog, type GapLogMemory, newGapLog } from './engine/gap-log.ts';
import type { ReplayPlan } from './plan/frame-plan.ts';

/** Memory for so many packets. Throws VPCI_ARGUMENT or ENOMEM. */
export function gapLogFor(packets: number): GapLogMemory {
  requireMemory(packets * GAP_LOG_ENTRY, 'the times of the packets');
  return newGapLog(packets);
}

/**
 * A line for each packet that was sent or came: its number, microseconds since the first, what the gap before
 * it was to be, by how much it was wrong, and 1 if the loop was away from its CPU in it.
 */
export function gapsCsv(memory: GapLogMemory, replay: ReplayPlan, speed: number): string {
  const { times, away } = new GapLog(memory);
  const ticksPerUs = ticksOf(1);
  const lines = ['packet,time_us,gap_us,error_us,away'];
  let [first, last] = [-1, -1];
  times.forEach((time, packet) => {
    if (time < 0) return;
    if (first < 0) first = packet;
    const at = (from: number) => (time - (times[from] as number)) / ticksPerUs;
    const gap = last < 0 ? 0 : (dueOf(replay, packet) - dueOf(replay, last)) / 1000 / speed;
    const error = last < 0 ? 0 : at(last) - gap;
    lines.push([packet, at(first).toFixed(3), gap.toFixed(3), error.toFixed(3), away[packet]].join(','));
    last = packet;
  });
  return `${lines.join('\n')}\n`;
}

/** Nanoseconds of the capture, of packet `number` among all loops. */
function dueOf({ dues, loopGap }: ReplayPlan, number: number): number {
  const all = dues as Float64Array;
  const loop = (all[all.length - 1] as number) + loopGap;
  return Math.floor(number / all.length) * loop + (all[number % all.length] as number);
}
