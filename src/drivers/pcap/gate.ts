// SPDX-License-Identifier: BSD-3-Clause
// The gate of a queue on an interface, in memory that its thread and the port's share: a descriptor is closed
// when nobody can be using it, since its number may soon be another file's.
import { COUNTERS } from './queues.ts';

/** Behind the last counter in use: whether a burst is running, and whether none may. */
const BUSY = 0;
const CLOSED = 1;
const WAIT_MS = 1000;

export class Gate {
  readonly #words: Int32Array;

  constructor(counters: SharedArrayBuffer) {
    this.#words = new Int32Array(counters, (COUNTERS - 1) * 8, 2);
  }

  /** HOT. Before a burst; false if the queue is closed. */
  enter(): boolean {
    Atomics.store(this.#words, BUSY, 1);
    if (Atomics.load(this.#words, CLOSED) === 0) return true;
    this.leave();
    return false;
  }

  /** HOT. */
  leave(): void {
    Atomics.store(this.#words, BUSY, 0);
  }

  /** Closes it for good; false if a burst does not end, because its thread has. */
  close(): boolean {
    Atomics.store(this.#words, CLOSED, 1);
    const end = performance.now() + WAIT_MS;
    while (Atomics.load(this.#words, BUSY) === 1) if (performance.now() > end) return false;
    return true;
  }
}
