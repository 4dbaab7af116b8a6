// SPDX-License-Identifier: BSD-3-Clause
// The queues of a replay. Its packets are sent once, so V8 must have compiled the loop before the first of
// them: in a rehearsal these swallow what is sent, and give as many packets back. They call the port's queues
// then as well, for nothing, so that no call is the first of its kind when it counts.
import type { MbufVector } from '../../../src/ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../../src/ethdev/port.ts';

const LENGTH = 64;

export class Rehearsal {
  on = false;
  /** Packets swallowed and not given back. */
  away = 0;
}

export class RehearsedTx implements TxQueue {
  readonly #queue: TxQueue;
  readonly #rehearsal: Rehearsal;

  constructor(queue: TxQueue, rehearsal: Rehearsal) {
    this.#queue = queue;
    this.#rehearsal = rehearsal;
  }

  /** HOT. */
  burst(pkts: MbufVector, from: number, to: number): number {
    if (!this.#rehearsal.on) return this.#queue.burst(pkts, from, to);
    this.#queue.burst(pkts, from, from);
    pkts.pool.free(pkts, from, to);
    this.#rehearsal.away += to - from;
    return to - from;
  }
}

export class RehearsedRx implements RxQueue {
  readonly #queue: RxQueue;
  readonly #rehearsal: Rehearsal;

  constructor(queue: RxQueue, rehearsal: Rehearsal) {
    this.#queue = queue;
    this.#rehearsal = rehearsal;
  }

  /** HOT. */
  burst(pkts: MbufVector, n: number): number {
    const received = this.#queue.burst(pkts, n);
    if (!this.#rehearsal.on || received > 0) return received;
    const back = this.#rehearsal.away < n ? this.#rehearsal.away : n;
    if (back === 0 || pkts.pool.alloc(pkts, back, LENGTH) === 0) return 0;
    this.#rehearsal.away -= back;
    return back;
  }
}
