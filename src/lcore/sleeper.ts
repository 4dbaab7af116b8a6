// SPDX-License-Identifier: BSD-3-Clause
// Lets an lcore sleep until there is work: DPDK's rte_epoll_wait over the receive queues that it polls.
//
// The order ensures that no event is missed: the queues are armed, each is checked once more for packets, and
// only then does the thread sleep, on file descriptors that stay readable until it has handled them. Other
// wake-ups (a queue is started, the lcore must stop) change the state first and signal afterwards.
import { argumentError, requireArray } from '../arguments.ts';
import { PmdError } from '../errors.ts';
import { RX_INTERRUPTS, RX_SLEEPS, type RxInterrupt, type RxQueue } from '../ethdev/port.ts';
import { native, type WaitSetHandle } from '../native.ts';

export interface SleeperOptions {
  readonly queues: readonly RxQueue[];
  /** Signalled when the lcore must stop, after `running` has become false. */
  readonly wakeFd: number;
  readonly running: () => boolean;
  readonly onClose: (handle: WaitSetHandle) => void;
}

/**
 * Lets an lcore sleep until there is work; made by `createSleeper()`, and for that lcore only.
 *
 * @example
 * const sleeper = lcore.createSleeper([queue]);
 * while (lcore.running()) if (poll() === 0) sleeper.sleep();
 */
export class Sleeper {
  /** @internal */
  readonly handle: WaitSetHandle;
  readonly #running: () => boolean;
  readonly #onClose: SleeperOptions['onClose'];
  readonly #interrupts: readonly RxInterrupt[];
  /** By position in the wait set, after the lcore's own descriptor. */
  readonly #waited: readonly RxInterrupt[];
  readonly #ready: Uint32Array;
  #closed = false;

  /** @internal */
  constructor({ queues, wakeFd, running, onClose }: SleeperOptions) {
    requireArray('createSleeper()', 'queues', queues, 'receive queues');
    this.#running = running;
    this.#onClose = onClose;
    this.#interrupts = queues.map((queue) => {
      if (typeof queue?.burst !== 'function')
        throw argumentError('createSleeper()', 'each of queues', 'a receive queue', queue);
      if (queue.interrupt) return queue.interrupt;
      throw new PmdError(
        'VPCI_NO_INTERRUPTS',
        'Failed to create a sleeper: a receive queue has no interrupts and can only be polled',
      );
    });
    this.#waited = this.#interrupts.filter(({ fd }) => fd >= 0);
    this.#ready = new Uint32Array(1 + this.#waited.length);
    this.handle = native.waitSetCreate([wakeFd, ...this.#waited.map(({ fd }) => fd)]);
  }

  /**
   * HOT. Sleeps until a packet arrives on one of the queues, a queue is started, a link changes or the lcore
   * must stop, for at most `timeoutMs` milliseconds (-1: indefinitely). Returns at once if packets are
   * waiting. Wake-ups may be spurious: poll again.
   */
  sleep(timeoutMs = -1): void {
    const armed = this.#arm();
    if (armed === this.#interrupts.length && this.#running()) this.#wait(timeoutMs);
    for (let i = 0; i < armed; i++) this.#interrupts[i].disarm();
  }

  /** Frees it before the lcore ends; may be called again. It must not be used afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose(this.handle);
    native.waitSetDestroy(this.handle);
  }

  /** Arms queues up to the first one with packets waiting; returns the number armed. */
  #arm(): number {
    const interrupts = this.#interrupts;
    for (let i = 0; i < interrupts.length; i++) if (!interrupts[i].arm()) return i;
    return interrupts.length;
  }

  #wait(timeoutMs: number): void {
    for (let i = 0; i < this.#interrupts.length; i++) this.#interrupts[i].counters[RX_SLEEPS]++;
    const count = native.waitSetWait(this.handle, timeoutMs, this.#ready);
    for (let k = 0; k < count; k++) {
      const at = this.#ready[k];
      if (at > 0) this.#waited[at - 1].counters[RX_INTERRUPTS]++;
    }
  }
}
