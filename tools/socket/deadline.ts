// SPDX-License-Identifier: BSD-3-Clause
// A time by which the other side must act. When it expires, pending input is read first, because it may have
// been this process that was stopped.
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

  /** Does nothing if it is already running. */
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
