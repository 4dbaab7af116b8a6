// SPDX-License-Identifier: BSD-3-Clause
// Rounds of the generator: each is played again, once more, while something disturbs it, and the least
// disturbed attempt counts. What the generator itself says of its surroundings is the judge.
import { PktgenProcess } from '../../run/pktgen.ts';
import { waitForQuiet } from '../instruments/cpu-share.ts';
import { roundsUntil } from '../interruption.ts';
import { runBoundMs } from '../settings.ts';
import type { Plan } from '../suite.ts';

const ATTEMPTS = 2;

/** What the figures of every run have. */
export interface Disturbable {
  /** A line for each thing that spoiled the run. */
  readonly disturbances: readonly string[];
  readonly stalls: { readonly count: number; readonly longestUs: number; readonly share: number };
}

/** Common to the rows. */
export interface RoundsOf<Round> {
  readonly case: string;
  readonly rounds: readonly Round[];
  /** Rounds that were disturbed in all attempts. */
  readonly disturbed_rounds: number;
  /** True if one was: the table marks the row. */
  readonly disturbed: boolean;
}

/** A run of the generator with these options; its figures. */
export async function runPktgen<Figures>(
  { settings, workspace }: Plan,
  args: readonly string[],
): Promise<Figures> {
  const { backEndCpu, hugepages } = settings;
  const json = workspace.path('figures');
  const more = ['--cpu', `${backEndCpu}`, ...(hugepages ? ['--hugepages'] : [])];
  return new PktgenProcess({
    ...{ args: [...args, ...more], json },
    maxRunMs: runBoundMs(settings),
  }).figures<Figures>();
}

/** `play` is one attempt; `describe` its figures in a few words. */
export async function playRounds<Round extends Disturbable>(
  { settings, progress, signal }: Plan,
  name: string,
  play: () => Promise<Round>,
  describe: (round: Round) => string,
): Promise<RoundsOf<Round>> {
  const rounds = await roundsUntil(signal, settings.rounds, async (number) => {
    const round = await leastDisturbed(play);
    const doubt = round.disturbances.map((line) => `; ${line}`).join('');
    progress(`${name}, round ${number} of ${settings.rounds}: ${describe(round)}${doubt}`);
    return round;
  });
  const disturbed_rounds = rounds.filter(({ disturbances }) => disturbances.length > 0).length;
  return { case: name, rounds, disturbed_rounds, disturbed: disturbed_rounds > 0 };
}

async function leastDisturbed<Round extends Disturbable>(play: () => Promise<Round>): Promise<Round> {
  let best: Round | undefined;
  for (let attempt = 0; attempt < ATTEMPTS && (best?.disturbances.length ?? 1) > 0; attempt++) {
    await waitForQuiet();
    const round = await play();
    const better =
      best === undefined || round.disturbances.length === 0 || round.stalls.share < best.stalls.share;
    if (better) best = round;
  }
  return best as Round;
}
