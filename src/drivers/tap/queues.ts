// SPDX-License-Identifier: BSD-3-Clause
// HOT. Queues of net_tap: a burst is one addon call and allocates nothing.
import type { MbufVector } from '../../ethdev/mempool.ts';
import type { QueueSpec, RxInterrupt, RxQueue, TxQueue } from '../../ethdev/port.ts';
import { native, type TapQueueHandle } from '../../native.ts';

export class TapRxQueue implements RxQueue {
  /** The interface's file descriptor is readable while a frame is waiting, so arming is unnecessary. */
  readonly interrupt: RxInterrupt;
  readonly #queue: TapQueueHandle;

  constructor({ data }: QueueSpec) {
    this.#queue = data.handle as TapQueueHandle;
    const counters = new Float64Array(data.interrupts as SharedArrayBuffer);
    this.interrupt = { fd: data.fd as number, arm: () => true, disarm: () => {}, counters };
  }

  burst(pkts: MbufVector, n: number): number {
    return native.tapRxBurst(this.#queue, pkts.handle, n);
  }
}

export class TapTxQueue implements TxQueue {
  readonly #queue: TapQueueHandle;

  constructor(queue: TapQueueHandle) {
    this.#queue = queue;
  }

  burst(pkts: MbufVector, from: number, to: number): number {
    return native.tapTxBurst(this.#queue, pkts.handle, from, to);
  }
}
