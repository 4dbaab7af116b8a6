// SPDX-License-Identifier: BSD-3-Clause
// Relays events from an eventfd that another process writes, and never spins on it.
import { type FdWatcher, native } from '../../../src/native.ts';
import { type OnFault, watch } from '../../socket/guard.ts';
import { eventfdKind } from './eventfd-kind.ts';

/** Empty wake-ups after which a descriptor is abandoned: it is in error, or its owner is misbehaving. */
const MAX_EMPTY_WAKES = 64;
/**
 * Consecutive counts of 1 after which the descriptor is examined: it may be a semaphore, which a single write
 * can keep readable.
 */
const MAX_SINGLE_COUNTS = 64;

export class EventRelay {
  readonly #watcher: FdWatcher;
  readonly #fd: number;
  #singles = 0;

  /** Watches `fd`, which remains the caller's; `onBroken` is called once if it becomes unusable. */
  constructor(fd: number, onEvent: () => void, onBroken: () => void, onFault: OnFault) {
    this.#fd = fd;
    let empty = 0;
    const wake = () => {
      const count = this.#drain();
      empty = count > 0n ? 0 : empty + 1;
      if (empty === MAX_EMPTY_WAKES || this.#isSemaphore(count)) {
        this.close();
        onBroken();
      } else if (count > 0n) onEvent();
    };
    this.#watcher = watch(fd, wake, (error) => {
      this.close();
      onFault(error);
    });
  }

  close(): void {
    this.#watcher.close();
  }

  /**
   * For kernels that do not report it: a descriptor whose counter was above 1 before a read of 1 is a
   * semaphore.
   */
  #isSemaphore(count: bigint): boolean {
    this.#singles = count === 1n ? this.#singles + 1 : 0;
    if (this.#singles < MAX_SINGLE_COUNTS) return false;
    this.#singles = 0;
    const before = eventfdKind(this.#fd).count;
    return before > 1n && this.#drain() === 1n;
  }

  #drain(): bigint {
    try {
      return native.eventfdDrain(this.#fd);
    } catch {
      return 0n;
    }
  }
}
