// SPDX-License-Identifier: BSD-3-Clause
// Before a replay: its loop runs until it is compiled, and sends nothing. A built-in peer's loop is still
// cold then, so that gets the packets as well; whoever else is at the far end gets those of the replay alone.
import type { Generator, Trial } from './generator.ts';
import type { Replay } from './replay.ts';

/** Packets per second: many, and one at a time. */
const RATE = 50_000;
const LONGEST_SECONDS = 1;

/**
 * For `seconds`, in as many trials as that takes; `trial` is that of the replay. With a `peer` of ours, once
 * more for as long, to that.
 */
export async function rehearse(
  generator: Generator,
  { pps, stream }: Replay,
  trial: Trial,
  { seconds, peer }: { readonly seconds: number; readonly peer: boolean },
): Promise<void> {
  const [rate = 1] = trial.pps;
  // With its own gaps, a rate is a speed.
  const faster = stream.plan.replay?.dues ? RATE / (pps || RATE) : RATE;
  const bound = Math.min(seconds, LONGEST_SECONDS);
  const own = { ...trial, seconds: bound, pps: [Math.max(rate, faster)] };
  const forSo = async (one: Trial) => {
    for (const end = performance.now() + 1000 * bound; performance.now() < end; ) await generator.run(one);
  };
  await forSo({ ...own, drain: 0, rehearsal: true });
  if (peer) await forSo(own);
}
