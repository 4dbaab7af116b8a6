// SPDX-License-Identifier: BSD-3-Clause
// How far a run is, and how long the rest may take, by what its cases took so far.
import type { RunFile, RunStep } from './run-file.ts';

/** Before the first case has ended. */
const GUESS_SECONDS = 20;

/** "case 3 of 20, about 5 min left". */
export function remaining({ steps }: Pick<RunFile, 'steps'>): string {
  const all = steps.reduce((sum, { wanted }) => sum + wanted.length, 0);
  const done = steps.reduce((sum, { cases }) => sum + cases.length, 0);
  const skipped = steps.reduce((sum, step) => sum + (step.failure === undefined ? 0 : open(step)), 0);
  const known = steps.flatMap(({ cases }) => cases.map(({ seconds }) => seconds));
  const mean = known.length === 0 ? GUESS_SECONDS : known.reduce((sum, each) => sum + each, 0) / known.length;
  const left = steps.reduce(
    (sum, step) => sum + (step.failure === undefined ? open(step) * (ownMean(step) ?? mean) : 0),
    0,
  );
  return `case ${Math.min(all, done + skipped + 1)} of ${all}, about ${duration(left)} left`;
}

const open = ({ wanted, cases }: RunStep): number => wanted.length - cases.length;

function ownMean({ cases }: RunStep): number | undefined {
  return cases.length === 0 ? undefined : cases.reduce((sum, each) => sum + each.seconds, 0) / cases.length;
}

const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
