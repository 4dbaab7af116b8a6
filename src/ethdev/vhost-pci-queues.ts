// SPDX-License-Identifier: BSD-3-Clause
// HOT. Queues of net_vhost_pci: a burst is one call of the addon and allocates nothing.
import { native, type QueueHandle } from '../native.ts';
import type { MbufVector } from './mempool.ts';
import type { RxQueue, TxQueue } from './port.ts';

export class VhostPciRxQueue implements RxQueue {
  readonly #queue: QueueHandle;

  constructor(queue: QueueHandle) {
    this.#queue = queue;
  }

  burst(pkts: MbufVector, n: number): number {
    return native.rxBurst(this.#queue, pkts.handle, n);
  }
}

export class VhostPciTxQueue implements TxQueue {
  readonly #queue: QueueHandle;

  constructor(queue: QueueHandle) {
    this.#queue = queue;
  }

  burst(pkts: MbufVector, from: number, to: number): number {
    return native.txBurst(this.#queue, pkts.handle, from, to);
  }
}
