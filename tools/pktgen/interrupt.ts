// SPDX-License-Identifier: BSD-3-Clause
// Ctrl-C and a reader that is gone end a run in order; a second Ctrl-C ends the program.
import { exitProcess } from '../../src/process-end.ts';
import { EXIT_CODES } from '../run/workspace.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = (typeof SIGNALS)[number];
/** Milliseconds in which a second signal has the cause of the first: timeout(1) signals us and our group. */
const SAME_CAUSE_MS = 200;

export class Interrupt {
  #signal: Signal | undefined;
  #then: () => void = () => {};
  #signalled = false;
  #last = Number.NEGATIVE_INFINITY;
  readonly #now: () => number;

  readonly #take = (signal: Signal): void => {
    const [before, now] = [this.#last, this.#now()];
    this.#last = now;
    if (!this.#signalled) {
      this.#signal = signal;
      this.raise();
    } else if (now - before > SAME_CAUSE_MS) exitProcess(EXIT_CODES[signal]);
  };

  /** `now` has milliseconds. */
  constructor(now = () => performance.now()) {
    this.#now = now;
    for (const signal of SIGNALS) process.on(signal, this.#take);
  }

  /**
   * Runs what sees no event until it is done, such as reading a large file or a module that never returns: a
   * signal ends the program.
   */
  async notDuring<T>(work: () => T | Promise<T>): Promise<T> {
    for (const signal of SIGNALS) process.off(signal, this.#take);
    try {
      return await work();
    } finally {
      for (const signal of SIGNALS) process.on(signal, this.#take);
    }
  }

  get raised(): boolean {
    return this.#signalled;
  }

  /** The exit status of a program that it has ended before anything was done. */
  get status(): number {
    return this.#signal === undefined ? 1 : EXIT_CODES[this.#signal];
  }

  raise(): void {
    this.#signalled = true;
    this.#then();
  }

  /** Calls `then` once it is raised, or at once if it has been. */
  onInterrupt(then: () => void): void {
    this.#then = then;
    if (this.#signalled) then();
  }
}
