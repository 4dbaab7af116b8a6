// SPDX-License-Identifier: BSD-3-Clause
// Ctrl-C and a reader that is gone end a run in order; a second Ctrl-C ends the program.
import { EXIT_CODES } from '../run/workspace.ts';

export class Interrupt {
  #then: () => void = () => {};
  #signalled = false;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (this.#signalled) process.exit(EXIT_CODES[signal]);
        this.raise();
      });
  }

  get raised(): boolean {
    return this.#signalled;
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
