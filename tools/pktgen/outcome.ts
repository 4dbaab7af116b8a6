// SPDX-License-Identifier: BSD-3-Clause
// What a search looks at of a trial.
import type { TrialResult } from './result.ts';
import type { Outcome } from './search.ts';

/** Share of a trial that the generator's loop may be away from its CPU. */
const DISTURBED = 0.0005;
/**
 * What was due while the loop was away follows at once, and may be lost or too late; as the other end is
 * disturbed as often, twice as much again. What is missing beyond that has another cause.
 */
const EXPLAINED = 4;

export function outcomeOf(result: TrialResult): Outcome {
  const { offered, sent, unsent, received, lost, seconds, latency, queueFull, stalls } = result;
  const counts = { offered, sent, unsent, received, lost, seconds, queueFull };
  const explained = lost + unsent <= EXPLAINED * stalls.share * offered;
  return { ...counts, p99Ns: latency?.p99Ns ?? 0, disturbed: stalls.share > DISTURBED && explained };
}
