// SPDX-License-Identifier: BSD-3-Clause
// Waits for a word of shared memory to change, again and again. What Atomics.waitAsync gives is kept until
// the word changes, and so is each Promise.race over it: a run of a day would leave hundreds of megabytes. So
// one waiter serves all looks.
import { Waiters } from '../run/waiters.ts';

export class WordWatch {
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #waiters = new Waiters();
  /** What the word was when the waiter that is pending began. */
  #watched: number | undefined;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  /** Resolves once the word is not `value`, if its writer notifies, or after `ms`. */
  changedFrom(value: number, ms: number): Promise<void> {
    const changed = this.#waiters.wait(ms);
    this.#watch(value);
    return changed;
  }

  #watch(value: number): void {
    if (this.#watched === value) return;
    const change = Atomics.waitAsync(this.#words, this.#index, value);
    if (!change.async) {
      this.#waiters.wake();
      return;
    }
    this.#watched = value;
    void change.value.then(() => {
      if (this.#watched === value) this.#watched = undefined;
      this.#waiters.wake();
    });
  }
}
