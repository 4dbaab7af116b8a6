// SPDX-License-Identifier: BSD-3-Clause
// Passes on what arrives at an eventfd that somebody else writes, without ever spinning on it.
import { type FdWatcher, native } from '../../src/native.ts';
import { type OnFault, watch } from './guard.ts';

/** Wake-ups without an event after which a descriptor is given up: it is in error, or its owner plays games. */
const MAX_EMPTY_WAKES = 64;

export class EventRelay {
  readonly #watcher: FdWatcher;

  /** Watches `fd`, which stays the caller's; `onBroken` is called once when it is no good any more. */
  constructor(fd: number, onEvent: () => void, onBroken: () => void, onFault: OnFault) {
    let empty = 0;
    const wake = () => {
      if (drain(fd)) {
        empty = 0;
        onEvent();
      } else if (++empty === MAX_EMPTY_WAKES) {
        this.close();
        onBroken();
      }
    };
    this.#watcher = watch(fd, wake, (error) => {
      this.close();
      onFault(error);
    });
  }

  close(): void {
    this.#watcher.close();
  }
}

function drain(fd: number): boolean {
  try {
    return native.eventfdDrain(fd) > 0n;
  } catch {
    return false;
  }
}
