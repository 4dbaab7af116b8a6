// SPDX-License-Identifier: BSD-3-Clause
// The queues of a replay, at either end. Its packets are sent once, so V8 must have compiled the loop before
// the first of them: in a rehearsal these swallow what is sent, and give as many packets back. They call the
// port's queues then as well, for nothing, so that no call is the first of its kind when it counts.
import type { MbufVector } from '../../../src/ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../../src/ethdev/port.ts';

const LENGTH = 64;

export class Rehearsal {
  on = false;
  /** Packets swallowed and not given back; at the far end, packets that are to come. */
  away = 0;
  /** A packet that comes from the port ends it. */
  readonly endsByPacket: boolean;

  constructor(endsByPacket = false) {
    this.endsByPacket = endsByPacket;
  }
}

/** Fills packets that a rehearsal has come. */
export interface RehearsedPackets {
  write(mbuf: number): void;
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
    const { on } = this.#rehearsal;
    // One call for both: V8 would throw its code away at the first call of another, which is the first
    // packet.
    const sent = this.#queue.burst(pkts, from, on ? from : to);
    if (!on) return sent;
    pkts.pool.free(pkts, from, to);
    this.#rehearsal.away += to - from;
    return to - from;
  }
}

export class RehearsedRx implements RxQueue {
  readonly #queue: RxQueue;
  readonly #rehearsal: Rehearsal;

  readonly #packets: RehearsedPackets | null;

  /** Without `packets` they are LENGTH bytes of what was there. */
  constructor(queue: RxQueue, rehearsal: Rehearsal, packets: RehearsedPackets | null = null) {
    this.#queue = queue;
    this.#rehearsal = rehearsal;
    this.#packets = packets;
  }

  /** HOT. */
  burst(pkts: MbufVector, n: number): number {
    const received = this.#queue.burst(pkts, n);
    if (!this.#rehearsal.on) return received;
    if (received > 0) {
      if (this.#rehearsal.endsByPacket) this.#rehearsal.on = false;
      return received;
    }
    const back = this.#rehearsal.away < n ? this.#rehearsal.away : n;
    if (back === 0 || pkts.pool.alloc(pkts, back, LENGTH) === 0) return 0;
    if (this.#packets !== null) for (let i = 0; i < back; i++) this.#packets.write(pkts.ids[i]);
    this.#rehearsal.away -= back;
    return back;
  }
}
