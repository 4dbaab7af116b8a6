// SPDX-License-Identifier: BSD-3-Clause
// How far a run is, and how long the rest may take, by what its cases took so far.
import { duration } from '../expected-time.ts';
import type { RunFile, RunStep } from './run-file.ts';

/** What is known beyond the cases that have ended. */
export interface Outlook {
  /** Seconds of a case of this step, on a quiet machine. */
  guess(step: RunStep): number;
  /** The case under way, and its seconds so far. */
  readonly current?: { readonly step: RunStep; readonly seconds: number };
}

/** A case that takes longer than it should, because rounds are repeated, is taken to be at four fifths. */
const LATE = 1.25;

/** "case 3 of 20, about 5 min left". */
export function remaining({ steps }: Pick<RunFile, 'steps'>, { guess, current }: Outlook): string {
  const all = steps.reduce((sum, { wanted }) => sum + wanted.length, 0);
  const done = steps.reduce((sum, { cases }) => sum + cases.length, 0);
  const skipped = steps.reduce((sum, step) => sum + (step.failure === undefined ? 0 : open(step)), 0);
  const number = `case ${Math.min(all, done + skipped + 1)} of ${all}`;
  return `${number}, about ${duration(secondsLeft(steps, guess, current))} left`;
}

function secondsLeft(
  steps: readonly RunStep[],
  guess: Outlook['guess'],
  current: Outlook['current'],
): number {
  const known = steps.flatMap((step) => step.cases.map(({ seconds }) => ({ step, seconds })));
  const before = expectation(known, guess);
  const isLate = current !== undefined && current.seconds > before(current.step);
  const late = isLate ? [{ step: current.step, seconds: LATE * current.seconds }] : [];
  const expected = isLate ? expectation([...known, ...late], guess) : before;
  const left = steps.reduce(
    (sum, step) => sum + (step.failure === undefined ? open(step) * expected(step) : 0),
    0,
  );
  if (current === undefined) return left;
  const { step, seconds } = current;
  return left - expected(step) + (isLate ? LATE * seconds : expected(step)) - seconds;
}

const open = ({ wanted, cases }: RunStep): number => wanted.length - cases.length;

type Known = readonly { readonly step: RunStep; readonly seconds: number }[];

/** The mean of a step's own cases, or else its guess, times by how much the guesses were wrong so far. */
function expectation(known: Known, guess: Outlook['guess']): Outlook['guess'] {
  const guessed = known.reduce((sum, { step }) => sum + guess(step), 0);
  const pace = guessed === 0 ? 1 : total(known) / guessed;
  return (step) => {
    const own = known.filter((each) => each.step === step);
    return own.length === 0 ? pace * guess(step) : total(own) / own.length;
  };
}

const total = (known: Known): number => known.reduce((sum, { seconds }) => sum + seconds, 0);
