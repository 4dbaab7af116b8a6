// SPDX-License-Identifier: BSD-3-Clause
// HOT. Queues of net_vhost_pci: a burst is one addon call and allocates nothing.
import { RxInPlace, TxInPlace } from '../../ethdev/in-place.ts';
import type { MbufVector } from '../../ethdev/mempool.ts';
import type { QueueSpec, Relay, RxInterrupt, RxQueue, TxQueue } from '../../ethdev/port.ts';
import { native, type QueueHandle } from '../../native.ts';

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

class VhostPciRelay implements Relay {
  readonly #rx: QueueHandle;
  readonly #tx: QueueHandle;

  constructor(rx: QueueHandle, tx: QueueHandle) {
    this.#rx = rx;
    this.#tx = tx;
  }

  burst(n: number): number {
    return native.relayBurst(this.#rx, this.#tx, n);
  }
}

class VhostPciRxQueue implements RxQueue {
  readonly interrupt?: RxInterrupt;
  readonly inPlace: RxInPlace;
  readonly #queue: QueueHandle;

  constructor(queue: QueueHandle, interrupt?: RxInterrupt) {
    this.#queue = queue;
    this.inPlace = new RxInPlace(queue);
    if (interrupt) this.interrupt = interrupt;
  }

  burst(pkts: MbufVector, n: number): number {
    return native.rxBurst(this.#queue, pkts.handle, n);
  }

  relayTo(tx: TxQueue): Relay | null {
    return tx instanceof VhostPciTxQueue ? new VhostPciRelay(this.#queue, tx.handle) : null;
  }
}

/**
 * `data` contains the queue's handle and, if the bus has interrupts, a file descriptor and the memory for its
 * counters.
 */
export function openVhostPciRxQueue({ data }: QueueSpec): RxQueue {
  const queue = data.handle as QueueHandle;
  const { interruptFd, interrupts } = data;
  if (typeof interruptFd !== 'number' || interruptFd < 0) return new VhostPciRxQueue(queue);
  const counters = new Float64Array(interrupts as SharedArrayBuffer);
  return new VhostPciRxQueue(queue, new VhostPciRxInterrupt(queue, interruptFd, counters));
}

export class VhostPciTxQueue implements TxQueue {
  readonly handle: QueueHandle;
  readonly inPlace: TxInPlace;

  constructor(queue: QueueHandle) {
    this.handle = queue;
    this.inPlace = new TxInPlace(queue);
  }

  burst(pkts: MbufVector, from: number, to: number): number {
    return native.txBurst(this.handle, pkts.handle, from, to);
  }
}

/** Releases what a thread held in place. */
export function abandonVhostPciQueue({ role, data }: QueueSpec): void {
  const queue = data.handle as QueueHandle;
  if (role === 'rx') native.rxRelease(queue, 0);
  else native.txCommit(queue, 0);
}
