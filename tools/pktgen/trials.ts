// SPDX-License-Identifier: BSD-3-Clause
// Trials of a search on a generator.
import { measureMaximum, trialHabits } from './bench-port.ts';
import type { Generator } from './generator.ts';
import type { Interrupt } from './interrupt.ts';
import type { Options } from './options.ts';
import { outcomeOf } from './outcome.ts';
import type { TrialResult } from './result.ts';
import { NOTHING, type Outcome, type SearchResult, searchRate } from './search.ts';
import { stepLine } from './search-text.ts';
import { flatOut, type Workload } from './workload.ts';

export interface Bench {
  readonly options: Options;
  readonly generator: Generator;
  readonly workload: Workload;
  readonly interrupt: Interrupt;
}

/** A trial of `--trial-time` at `pps`; `limit` is the most frames of each stream. */
export function trialAt(
  { options, generator, workload }: Bench,
  pps: number,
  limit?: number,
): Promise<TrialResult> {
  const rates = Number.isFinite(pps) ? workload.scaled(pps) : flatOut(workload.streams);
  return generator.run({
    ...trialHabits(options),
    seconds: options.trialTime,
    pps: rates,
    ...(limit === undefined ? {} : { limit }),
  });
}

/** Frames per second, flat out, through the device: measured, which also compiles the loops. */
export const highestOf = ({ options, generator, workload }: Bench): Promise<number> =>
  measureMaximum(options, generator, flatOut(workload.streams));

/**
 * The highest rate with at most `loss` (a share) lost. A generator that breaks ends it as an interrupt does,
 * and the trials until then are kept.
 */
export function search(
  bench: Bench,
  highest: number,
  loss: number,
  say: (line: string) => void,
): Promise<SearchResult> {
  const { options, generator, interrupt } = bench;
  const { qFull, maxLatency, precision, searchTime } = options;
  const limits = { loss, unsent: qFull, latencyNs: 1000 * (maxLatency ?? Number.POSITIVE_INFINITY) };
  const plan = { limits, highest, precision, timeBound: searchTime };
  const trial = async (pps: number): Promise<Outcome> => {
    try {
      return outcomeOf(await trialAt(bench, pps));
    } catch (error) {
      if (generator.broken === undefined) throw error;
      return NOTHING;
    }
  };
  return searchRate(plan, trial, {
    report: (step) => say(stepLine(step)),
    interrupted: () => interrupt.raised || generator.broken !== undefined,
  });
}
