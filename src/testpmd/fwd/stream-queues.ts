// SPDX-License-Identifier: BSD-3-Clause
// Opens the queues of an lcore's streams: the driver's own, or those of a port with software offloads, which
// several streams may share.
import type { Mempool } from '../../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../ethdev/port.ts';
import { steers } from '../../offload/plan.ts';
import { FilteredRxQueue, RxSpreader } from '../../offload/rx-queues.ts';
import { TaggingTxQueue } from '../../offload/tx-queue.ts';
import type { StreamPlan } from './engine.ts';
import type { QueueSource } from './latency.ts';

export class StreamQueues {
  readonly #source: QueueSource;
  readonly #pool: Mempool;
  readonly #burst: number;
  /** By index of the port. */
  readonly #spreaders = new Map<number, RxSpreader>();
  /** By port and queue: streams of software queues share the device's. */
  readonly #sinks = new Map<string, TxQueue>();

  constructor(source: QueueSource, pool: Mempool, burst: number) {
    this.#source = source;
    this.#pool = pool;
    this.#burst = burst;
  }

  /** Whether queues here can only be polled, as packets may wait above the device. */
  get polledOnly(): boolean {
    return this.#spreaders.size > 0;
  }

  rx({ rxPort, rxQueue, rxOffload }: StreamPlan): RxQueue {
    if (!rxOffload) return this.#source.rxQueue(rxPort, rxQueue);
    if (!steers(rxOffload))
      return new FilteredRxQueue(this.#source.rxQueue(rxPort, rxQueue), rxOffload, rxQueue);
    let spreader = this.#spreaders.get(rxPort);
    if (!spreader) {
      const sources = Array.from({ length: rxOffload.deviceQueues }, (_, queue) =>
        this.#source.rxQueue(rxPort, queue),
      );
      spreader = new RxSpreader(sources, rxOffload, this.#pool, this.#burst);
      this.#spreaders.set(rxPort, spreader);
    }
    return spreader.queue(rxQueue);
  }

  /** `tagged`: with the tags of the port. */
  tx({ txPort, txQueue, txQueues, txOffload }: StreamPlan, tagged: boolean): TxQueue {
    const queue = txQueues === undefined ? txQueue : txQueue % txQueues;
    const key = `${txPort} ${queue}`;
    const sink = this.#sinks.get(key) ?? this.#source.txQueue(txPort, queue);
    this.#sinks.set(key, sink);
    return txOffload ? new TaggingTxQueue(sink, txOffload, tagged, this.#burst) : sink;
  }

  /** Frees packets that wait in software. */
  close(): void {
    for (const spreader of this.#spreaders.values()) spreader.close();
  }
}
