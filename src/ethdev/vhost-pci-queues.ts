// SPDX-License-Identifier: BSD-3-Clause
// HOT. Queues of net_vhost_pci: a burst is one call of the addon and allocates nothing.
import { native, type QueueHandle } from '../native.ts';
import type { MbufVector } from './mempool.ts';
import type { QueueSpec, RxInterrupt, RxQueue, TxQueue } from './port.ts';

class VhostPciRxInterrupt implements RxInterrupt {
  readonly fd: number;
  readonly counters: Float64Array;
  readonly #queue: QueueHandle;

  constructor(queue: QueueHandle, fd: number, counters: Float64Array) {
    this.#queue = queue;
    this.fd = fd;
    this.counters = counters;
  }

  arm(): boolean {
    return native.queueArm(this.#queue);
  }

  disarm(): void {
    native.queueDisarm(this.#queue);
  }
}

class VhostPciRxQueue implements RxQueue {
  readonly interrupt?: RxInterrupt;
  readonly #queue: QueueHandle;

  constructor(queue: QueueHandle, interrupt?: RxInterrupt) {
    this.#queue = queue;
    if (interrupt) this.interrupt = interrupt;
  }

  burst(pkts: MbufVector, n: number): number {
    return native.rxBurst(this.#queue, pkts.handle, n);
  }
}

/** `data` has the queue's handle, and where the road has interrupts a descriptor and the memory of its counters. */
export function openVhostPciRxQueue({ data }: QueueSpec): RxQueue {
  const queue = data.handle as QueueHandle;
  const { interruptFd, interrupts } = data;
  if (typeof interruptFd !== 'number' || interruptFd < 0) return new VhostPciRxQueue(queue);
  const counters = new Float64Array(interrupts as SharedArrayBuffer);
  return new VhostPciRxQueue(queue, new VhostPciRxInterrupt(queue, interruptFd, counters));
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
