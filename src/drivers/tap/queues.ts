// SPDX-License-Identifier: BSD-3-Clause
// HOT. Queues of net_tap: a burst is one addon call and allocates nothing.
import { CapturePoint } from '../../ethdev/capture-point.ts';
import type { MbufVector } from '../../ethdev/mempool.ts';
import type { QueueSpec, RxInterrupt, RxQueue, TxQueue } from '../../ethdev/port.ts';
import { native, type TapQueueHandle } from '../../native.ts';

export class TapRxQueue implements RxQueue {
  /** The interface's file descriptor is readable while a frame is waiting, so arming is unnecessary. */
  readonly interrupt: RxInterrupt;
  readonly #queue: TapQueueHandle;
  readonly #capture: CapturePoint;

  constructor(spec: QueueSpec) {
    const { data } = spec;
    this.#capture = new CapturePoint(spec);
    this.#queue = data.handle as TapQueueHandle;
    const counters = new Float64Array(data.interrupts as SharedArrayBuffer);
    this.interrupt = { fd: data.fd as number, arm: () => true, disarm: () => {}, counters };
  }

  burst(pkts: MbufVector, n: number): number {
    const received = native.tapRxBurst(this.#queue, pkts.handle, n);
    return this.#capture.on ? this.#capture.received(pkts, received) : received;
  }
}

export class TapTxQueue implements TxQueue {
  readonly #queue: TapQueueHandle;
  readonly #capture: CapturePoint;

  constructor(spec: QueueSpec) {
    this.#queue = spec.data.handle as TapQueueHandle;
    this.#capture = new CapturePoint(spec);
  }

  burst(pkts: MbufVector, from: number, to: number): number {
    if (!this.#capture.on) return native.tapTxBurst(this.#queue, pkts.handle, from, to);
    this.#capture.sending(pkts, from, to);
    return this.#capture.sent(native.tapTxBurst(this.#queue, pkts.handle, from, to));
  }
}
