// SPDX-License-Identifier: BSD-3-Clause
// Whoever waits for a change, each with a time limit of its own.

export class Waiters {
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next wake(), or after `ms`. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
    });
  }

  wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}
