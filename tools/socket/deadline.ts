// SPDX-License-Identifier: BSD-3-Clause
// A time by which the other side must have done something. When it is over, what has arrived is read before judgement is passed: this
// process may be the one that was stopped.
import { after, type OnFault, soon, type Timer } from './guard.ts';

export class Deadline {
  readonly #onFault: OnFault;
  #timer: Timer | null = null;

  constructor(onFault: OnFault) {
    this.#onFault = onFault;
  }

  get running(): boolean {
    return this.#timer !== null;
  }

  /** Does nothing while it runs. */
  start(ms: number, missed: () => void): void {
    const look = () => {
      this.#timer = soon(missed, this.#onFault);
    };
    this.#timer ??= after(ms, look, this.#onFault);
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
