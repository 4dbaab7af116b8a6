// SPDX-License-Identifier: BSD-3-Clause
// Where a capture hooks into a queue. While there is none, a burst looks at one word of memory; meanwhile its
// packets are copied to a ring of the capture (addon/packet/capture_point.h).
import { native } from '../native.ts';
import type { MbufVector } from './mempool.ts';

/** Ports, and queues in a role of a port, that can be captured. */
const PORTS = 32;
export const CAPTURE_QUEUES = 128;
const POINTS = PORTS * 2 * CAPTURE_QUEUES;

/** A queue, as its QueueSpec names it. */
export interface QueuePlace {
  readonly port: number;
  readonly role: 'rx' | 'tx';
  readonly queue: number;
}

/** The number of a queue's point; that of no point, which is never captured, if the queue has none. */
export function capturePointOf({ port, role, queue }: QueuePlace): number {
  if (port >= PORTS || queue >= CAPTURE_QUEUES) return POINTS;
  return (port * 2 + (role === 'tx' ? 1 : 0)) * CAPTURE_QUEUES + queue;
}

/** HOT. For the thread that has the queue. */
export class CapturePoint {
  readonly #number: number;
  readonly #words = new Uint32Array(native.captureWords());

  constructor(spec: QueuePlace) {
    this.#number = capturePointOf(spec);
  }

  /** Whether a capture wants the packets of this queue. */
  get on(): boolean {
    return this.#words[this.#number] !== 0;
  }

  /** While `on`: copies packets `pkts.ids[0..n)` that have been received; returns `n`. */
  received(pkts: MbufVector, n: number): number {
    native.captureReceived(this.#number, pkts.handle, n);
    return n;
  }

  /** While `on`, before a burst that sends these packets, which frees them: copies them. */
  sending(pkts: MbufVector, from: number, to: number): void {
    native.captureSending(this.#number, pkts.handle, from, to);
  }

  /** After `sending`: the burst took the first `n`; the other copies are forgotten. Returns `n`. */
  sent(n: number): number {
    native.captureSent(this.#number, n);
    return n;
  }
}
