// SPDX-License-Identifier: BSD-3-Clause
// Waits until the lcores of a run forward, for the command `start`: a script may type `stop` next.
import type { Lcore } from '../lcore/launch.ts';

/**
 * How long to wait for the next lcore: a peer's memory whose pages do not come holds up the bursts of
 * tx_first, and the prompt must not wait with it.
 */
const PATIENCE_MS = 30_000;

/**
 * Resolves when as many lcores as there are have counted themselves in `forwarding`, early when `hurried` is
 * aborted or an lcore keeps the others waiting. Rejects when an lcore fails before.
 */
export async function allForward(
  forwarding: Int32Array,
  lcores: readonly Lcore[],
  hurried: AbortSignal,
): Promise<void> {
  const ended = Promise.race(lcores.map((lcore) => lcore.exited));
  let abort = () => {};
  const aborted = new Promise<void>((resolve) => {
    abort = resolve;
  });
  if (hurried.aborted) abort();
  else hurried.addEventListener('abort', abort);
  try {
    for (let now = 0; now < lcores.length; now = Atomics.load(forwarding, 0)) {
      const { value: next } = Atomics.waitAsync(forwarding, 0, now, PATIENCE_MS);
      const why = await Promise.race([next, ended, aborted]);
      if (why !== 'ok' && why !== 'not-equal') return;
    }
  } finally {
    // The signal outlives the run.
    hurried.removeEventListener('abort', abort);
  }
}
