// SPDX-License-Identifier: BSD-3-Clause
// Asks a driver without GATE to release rings: sends QUEUE_STOP, then awaits QUEUE_STOPPED or a timeout
// (docs/device-abi.md, "SESSION").
import { after, faultReason } from '../../socket/guard.ts';
import { parseQueueStopped, queueStopMessage } from './control-encode.ts';
import type { DriverPort } from './driver-port.ts';

/** Why a driver cannot have stopped at this position; null when it can. */
export type Misplaced = (index: number, lastAvailIdx: number) => string | null;

interface PendingStop {
  readonly index: number;
  readonly done: (lastAvailIdx: number | null) => void;
}

export const STOP_TIMEOUT_MS = 1000;

export class QueueStopRequests {
  readonly #driver: Pick<DriverPort, 'send' | 'fail' | 'disconnect'>;
  readonly #misplaced: Misplaced;
  readonly #pending = new Map<number, PendingStop>();
  #nextToken = 1;

  constructor(driver: Pick<DriverPort, 'send' | 'fail' | 'disconnect'>, misplaced: Misplaced) {
    this.#driver = driver;
    this.#misplaced = misplaced;
  }

  /**
   * The position where the driver stopped; null when the request was abandoned, or was not answered within
   * STOP_TIMEOUT_MS, which fails the driver.
   */
  ask(index: number): Promise<number | null> {
    const token = this.#nextToken;
    this.#nextToken = (token % 0xffff_ffff) + 1;
    return new Promise((resolve) => {
      const tooLate = () => {
        this.#pending.delete(token);
        resolve(null);
        this.#driver.fail(`the driver did not stop queue ${index} within ${STOP_TIMEOUT_MS} ms`);
      };
      const timer = after(STOP_TIMEOUT_MS, tooLate, (error) => this.#driver.disconnect(faultReason(error)));
      const done = (lastAvailIdx: number | null) => {
        timer.cancel();
        resolve(lastAvailIdx);
      };
      this.#pending.set(token, { index, done });
      this.#driver.send(queueStopMessage(index, token));
    });
  }

  /** Handles a message from the driver. */
  handle(message: DataView): void {
    const stopped = parseQueueStopped(message);
    if (!stopped) {
      this.#driver.fail('a control message that is not QUEUE_STOPPED');
      return;
    }
    const { token, index, last_avail_idx } = stopped;
    const pending = this.#pending.get(token);
    // A late answer is not an error.
    if (!pending) return;
    if (pending.index !== index) {
      this.#driver.fail('QUEUE_STOPPED for another queue');
      return;
    }
    const misplaced = this.#misplaced(index, last_avail_idx);
    if (misplaced !== null) {
      this.#driver.fail(`QUEUE_STOPPED at ${misplaced}`);
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
