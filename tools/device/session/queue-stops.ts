// SPDX-License-Identifier: BSD-3-Clause
// Rings that a driver without GATE is asked to let go of: QUEUE_STOP out, QUEUE_STOPPED in, or a time-out
// (docs/device-abi.md, "SESSION").

import { after, faultReason } from '../../socket/guard.ts';
import { parseQueueStopped, queueStopMessage } from './control-encode.ts';

export interface QueueStopsHost {
  send(message: Uint8Array): void;
  /** The driver broke the contract. */
  fail(reason: string): void;
  /** Ends its connection. */
  disconnect(reason: string): void;
  /** Why a driver cannot have stopped there, null when it can. */
  misplaced(index: number, lastAvailIdx: number): string | null;
}

interface PendingStop {
  readonly index: number;
  readonly done: (lastAvailIdx: number | null) => void;
}

export const STOP_TIMEOUT_MS = 1000;

export class QueueStops {
  readonly #host: QueueStopsHost;
  readonly #pending = new Map<number, PendingStop>();
  #nextToken = 1;

  constructor(host: QueueStopsHost) {
    this.#host = host;
  }

  /** Where the driver stopped; null when it did not say within STOP_TIMEOUT_MS, which fails it, or was abandoned. */
  ask(index: number): Promise<number | null> {
    const token = this.#nextToken;
    this.#nextToken = (token % 0xffff_ffff) + 1;
    return new Promise((resolve) => {
      const tooLate = () => {
        this.#pending.delete(token);
        resolve(null);
        this.#host.fail(`the driver did not stop queue ${index} within ${STOP_TIMEOUT_MS} ms`);
      };
      const timer = after(STOP_TIMEOUT_MS, tooLate, (error) => this.#host.disconnect(faultReason(error)));
      const done = (lastAvailIdx: number | null) => {
        timer.cancel();
        resolve(lastAvailIdx);
      };
      this.#pending.set(token, { index, done });
      this.#host.send(queueStopMessage(index, token));
    });
  }

  /** A message of the driver. */
  handle(message: DataView): void {
    const stopped = parseQueueStopped(message);
    if (!stopped) {
      this.#host.fail('a control message that is not QUEUE_STOPPED');
      return;
    }
    const { token, index, last_avail_idx } = stopped;
    const pending = this.#pending.get(token);
    // An answer that comes too late is no crime.
    if (!pending) return;
    if (pending.index !== index) {
      this.#host.fail('QUEUE_STOPPED for another queue');
      return;
    }
    const misplaced = this.#host.misplaced(index, last_avail_idx);
    if (misplaced !== null) {
      this.#host.fail(`QUEUE_STOPPED at ${misplaced}`);
      return;
    }
    this.#pending.delete(token);
    pending.done(last_avail_idx);
  }

  abandon(): void {
    for (const { done } of this.#pending.values()) done(null);
    this.#pending.clear();
  }
}
