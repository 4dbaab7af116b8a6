// SPDX-License-Identifier: BSD-3-Clause
// HOT. Queues of net_vhost_pci: a burst is one addon call and allocates nothing.
import { CapturePoint } from '../../ethdev/capture-point.ts';
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
  readonly #rx: VhostPciRxQueue;
  readonly #tx: VhostPciTxQueue;

  constructor(rx: VhostPciRxQueue, tx: VhostPciTxQueue) {
    this.#rx = rx;
    this.#tx = tx;
  }

  burst(n: number): number {
    // Copies for a capture are made of mbufs.
    if (this.#rx.capture.on || this.#tx.capture.on) return -1;
    return native.relayBurst(this.#rx.handle, this.#tx.handle, n);
  }
}

/** A relay of packets that leave with other addresses. */
class VhostPciMacRelay implements Relay {
  readonly #rx: VhostPciRxQueue;
  readonly #tx: VhostPciTxQueue;
  readonly #macs: Uint32Array;

  constructor(rx: VhostPciRxQueue, tx: VhostPciTxQueue, macs: Uint32Array) {
    this.#rx = rx;
    this.#tx = tx;
    this.#macs = macs.slice(0, 3);
  }

  burst(n: number): number {
    if (this.#rx.capture.on || this.#tx.capture.on) return -1;
    const macs = this.#macs;
    return native.relayMacBurst(this.#rx.handle, this.#tx.handle, n, macs[0], macs[1], macs[2]);
  }
}

class VhostPciRxQueue implements RxQueue {
  readonly interrupt?: RxInterrupt;
  readonly inPlace: RxInPlace;
  readonly handle: QueueHandle;
  readonly capture: CapturePoint;

  constructor(spec: QueueSpec, interrupt?: RxInterrupt) {
    this.handle = spec.data.handle as QueueHandle;
    this.capture = new CapturePoint(spec);
    this.inPlace = new RxInPlace(this.handle, this.capture);
    if (interrupt) this.interrupt = interrupt;
  }

  burst(pkts: MbufVector, n: number): number {
    const received = native.rxBurst(this.handle, pkts.handle, n);
    return this.capture.on ? this.capture.received(pkts, received) : received;
  }

  relayTo(tx: TxQueue, macs?: Uint32Array): Relay | null {
    if (!(tx instanceof VhostPciTxQueue)) return null;
    return macs ? new VhostPciMacRelay(this, tx, macs) : new VhostPciRelay(this, tx);
  }
}

/**
 * `data` contains the queue's handle and, if the bus has interrupts, a file descriptor and the memory for its
 * counters.
 */
export function openVhostPciRxQueue(spec: QueueSpec): RxQueue {
  const { handle, interruptFd, interrupts } = spec.data;
  if (typeof interruptFd !== 'number' || interruptFd < 0) return new VhostPciRxQueue(spec);
  const counters = new Float64Array(interrupts as SharedArrayBuffer);
  return new VhostPciRxQueue(spec, new VhostPciRxInterrupt(handle as QueueHandle, interruptFd, counters));
}

export class VhostPciTxQueue implements TxQueue {
  readonly handle: QueueHandle;
  readonly inPlace: TxInPlace;
  readonly capture: CapturePoint;

  constructor(spec: QueueSpec) {
    this.handle = spec.data.handle as QueueHandle;
    this.capture = new CapturePoint(spec);
    this.inPlace = new TxInPlace(this.handle, this.capture);
  }

  burst(pkts: MbufVector, from: number, to: number): number {
    if (!this.capture.on) return native.txBurst(this.handle, pkts.handle, from, to);
    this.capture.sending(pkts, from, to);
    return this.capture.sent(native.txBurst(this.handle, pkts.handle, from, to));
  }
}

/** Releases what a thread held in place. */
export function abandonVhostPciQueue({ role, data }: QueueSpec): void {
  const queue = data.handle as QueueHandle;
  if (role === 'rx') native.rxRelease(queue, 0);
  else native.txCommit(queue, 0);
}
