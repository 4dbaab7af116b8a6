// SPDX-License-Identifier: BSD-3-Clause
// Receive queues with software offloads. They exist only in runs that have some, so that no other looks at
// the settings. Packets go through mbufs: relays and the peers' buffers are not offered.
import { MbufRing } from '../ethdev/mbuf-ring.ts';
import type { MbufVector, Mempool } from '../ethdev/mempool.ts';
import type { RxInterrupt, RxQueue } from '../ethdev/port.ts';
import { Classifier, DROP } from './classifier.ts';
import type { RxPlan } from './plan.ts';

/** One queue of the device, whose packets all stay on it or are dropped. */
export class FilteredRxQueue implements RxQueue {
  readonly interrupt?: RxInterrupt;
  readonly #source: RxQueue;
  readonly #classifier: Classifier;
  readonly #queue: number;

  constructor(source: RxQueue, plan: RxPlan, queue: number) {
    this.#source = source;
    this.interrupt = source.interrupt;
    this.#classifier = new Classifier(plan, queue);
    this.#queue = queue;
  }

  burst(pkts: MbufVector, n: number): number {
    const { pool, ids } = pkts;
    const received = this.#source.burst(pkts, n);
    let kept = 0;
    for (let i = 0; i < received; i++) {
      if (this.#classifier.classify(pool, ids[i]) !== this.#queue) continue;
      const id = ids[kept];
      ids[kept++] = ids[i];
      ids[i] = id;
    }
    if (kept < received) pool.free(pkts, kept, received);
    return kept;
  }
}

/**
 * The queues of the device of one port, spread over software queues; all of them belong to one thread. The
 * device is asked only while every software queue has room for a burst: what does not fit waits there.
 */
export class RxSpreader {
  readonly #sources: readonly RxQueue[];
  readonly #classifiers: readonly Classifier[];
  /** Packets of each software queue that wait to be received. */
  readonly #waiting: readonly MbufRing[];
  readonly #pkts: MbufVector;
  #next = 0;

  /** `burst`: most packets asked of the device at once. */
  constructor(sources: readonly RxQueue[], plan: RxPlan, pool: Mempool, burst: number) {
    this.#sources = sources;
    this.#classifiers = sources.map((_, queue) => new Classifier(plan, queue));
    this.#pkts = pool.vector(burst);
    const capacity = 2 ** Math.ceil(Math.log2(2 * burst));
    this.#waiting = Array.from({ length: plan.queues }, () => new MbufRing(capacity));
  }

  /** Software queue `queue`. */
  queue(queue: number): RxQueue {
    const waiting = this.#waiting[queue];
    return {
      interrupt: this.#sources[0]?.interrupt,
      burst: (pkts, n) => {
        if (waiting.length === 0) this.#poll();
        const count = Math.min(n, pkts.capacity, waiting.length);
        for (let i = 0; i < count; i++) pkts.ids[i] = waiting.shift();
        return count;
      },
    };
  }

  /** Frees what waits: the run ends. */
  close(): void {
    const { pool, ids } = this.#pkts;
    for (const waiting of this.#waiting) {
      while (waiting.length > 0) {
        ids[0] = waiting.shift();
        pool.free(this.#pkts, 0, 1);
      }
    }
  }

  /** HOT. Asks one queue of the device, each in turn. */
  #poll(): void {
    for (let q = 0; q < this.#waiting.length; q++) if (this.#waiting[q].room < this.#pkts.capacity) return;
    const source = this.#next;
    this.#next = source + 1 < this.#sources.length ? source + 1 : 0;
    const { pool, ids } = this.#pkts;
    const received = this.#sources[source].burst(this.#pkts, this.#pkts.capacity);
    let dropped = 0;
    for (let i = 0; i < received; i++) {
      const queue = this.#classifiers[source].classify(pool, ids[i]);
      if (queue === DROP || queue >= this.#waiting.length) ids[dropped++] = ids[i];
      else this.#waiting[queue].push(ids[i]);
    }
    if (dropped > 0) pool.free(this.#pkts, 0, dropped);
  }
}
