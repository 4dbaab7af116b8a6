// SPDX-License-Identifier: BSD-3-Clause
// How an lcore sleeps until there is something to do: DPDK's rte_epoll_wait over the receive queues that it polls.
//
// The order makes that nothing is missed: the queues are armed, each looks once more for packets, and only then the thread sleeps, on
// descriptors that stay readable until it has seen them. Whoever wakes it by other means (a queue is started, the
// lcore is to stop) changes the state first and signals then.
import { argumentError, requireArray } from '../arguments.ts';
import { PmdError } from '../errors.ts';
import { RX_INTERRUPTS, RX_SLEEPS, type RxInterrupt, type RxQueue } from '../ethdev/port.ts';
import { native, type WaitSetHandle } from '../native.ts';

export interface SleeperOptions {
  readonly queues: readonly RxQueue[];
  /** Signalled when the lcore is to stop, after `running` has become false. */
  readonly wakeFd: number;
  readonly running: () => boolean;
  readonly onClose: (handle: WaitSetHandle) => void;
}

export class Sleeper {
  readonly handle: WaitSetHandle;
  readonly #running: () => boolean;
  readonly #onClose: SleeperOptions['onClose'];
  readonly #interrupts: readonly RxInterrupt[];
  /** By position in the wait set, behind the lcore's own descriptor. */
  readonly #waited: readonly RxInterrupt[];
  readonly #ready: Uint32Array;
  #closed = false;

  /** Throws VPCI_NO_INTERRUPTS when a queue has none. */
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
        'Failed to make a sleeper: a receive queue has no interrupts and can only be polled',
      );
    });
    this.#waited = this.#interrupts.filter(({ fd }) => fd >= 0);
    this.#ready = new Uint32Array(1 + this.#waited.length);
    this.handle = native.waitSetCreate([wakeFd, ...this.#waited.map(({ fd }) => fd)]);
  }

  /**
   * HOT. Sleeps until a packet comes on one of the queues, one is started, a link changes or the lcore is to stop, and at most so many
   * milliseconds (-1: for ever). Returns at once when packets wait. It may return early for no reason: poll again.
   */
  sleep(timeoutMs = -1): void {
    const armed = this.#arm();
    if (armed === this.#interrupts.length && this.#running()) this.#wait(timeoutMs);
    for (let i = 0; i < armed; i++) this.#interrupts[i].disarm();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose(this.handle);
    native.waitSetDestroy(this.handle);
  }

  /** Arms queues up to the first on which packets wait; returns how many. */
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
