// SPDX-License-Identifier: BSD-3-Clause
// Before a replay: its loop runs until it is compiled, and sends nothing.
import type { Generator, Trial } from './generator.ts';
import type { Replay } from './replay.ts';

/** Packets per second: many, and one at a time. */
const RATE = 50_000;
const LONGEST_SECONDS = 1;

/** For `seconds`, in as many trials as that takes; `trial` is that of the replay. */
export async function rehearse(
  generator: Generator,
  { pps, stream }: Replay,
  trial: Trial,
  seconds: number,
): Promise<void> {
  const [rate = 1] = trial.pps;
  // With its own gaps, a rate is a speed.
  const faster = stream.plan.replay?.dues ? RATE / (pps || RATE) : RATE;
  const bound = Math.min(seconds, LONGEST_SECONDS);
  const end = performance.now() + 1000 * bound;
  while (performance.now() < end)
    await generator.run({
      ...{ ...trial, seconds: bound, pps: [Math.max(rate, faster)] },
      ...{ drain: 0, rehearsal: true },
    });
}
