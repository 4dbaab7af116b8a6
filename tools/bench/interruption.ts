// SPDX-License-Identifier: BSD-3-Clause
// A signal while a case is measured: the rounds until then are kept.
import { setTimeout } from 'node:timers/promises';
import { exitProcess } from '../../src/process-end.ts';

/** Most that is waited for what still has to be done with the rounds. */
const GRACE_MS = 3000;

let first: ((code: number) => void) | undefined;

/** The next signal aborts what this returns, with the exit status as the reason; one after that ends all. */
export function interruptible(): AbortSignal {
  const controller = new AbortController();
  first = (code) => {
    first = undefined;
    controller.abort(code);
  };
  return controller.signal;
}

/** A signal that ends this process with `code`. */
export const interrupt = (code: number): void => (first ?? exitProcess)(code);

/** `count` rounds, or those that were played when `signal` aborted. Throws its reason if there are none. */
export async function roundsUntil<Round>(
  signal: AbortSignal | undefined,
  count: number,
  play: (number: number) => Promise<Round>,
): Promise<Round[]> {
  const rounds: Round[] = [];
  await whileHeard(signal, async (aborted) => {
    while (rounds.length < count && !signal?.aborted) {
      const round = await Promise.race([play(rounds.length + 1), aborted]);
      if (round !== undefined) rounds.push(round);
    }
  });
  if (rounds.length === 0) throw signal?.reason;
  return rounds;
}

/** What `work` makes of each item until `signal` aborts. Throws its reason if nothing was made. */
export async function resultsUntil<Item, Result>(
  signal: AbortSignal | undefined,
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  try {
    for (const item of items) {
      signal?.throwIfAborted();
      results.push(await work(item));
    }
  } catch (error) {
    if (!signal?.aborted || results.length === 0) throw error;
  }
  return results;
}

/** What `work` comes to; undefined if `signal` aborted, and nothing came of it. */
export async function resultUntil<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  try {
    return await whileHeard(signal, (aborted) =>
      Promise.race([work, aborted.then(() => setTimeout(GRACE_MS, undefined))]),
    );
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** `aborted` resolves when `signal` aborts while `work` is under way: a signal outlives many works. */
async function whileHeard<T>(
  signal: AbortSignal | undefined,
  work: (aborted: Promise<undefined>) => Promise<T>,
): Promise<T> {
  let hear = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    hear = () => resolve(undefined);
  });
  signal?.addEventListener('abort', hear, { once: true });
  try {
    return await work(aborted);
  } finally {
    signal?.removeEventListener('abort', hear);
  }
}
