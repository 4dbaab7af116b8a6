// SPDX-License-Identifier: BSD-3-Clause
// Calls back when an interface of the kernel may have changed: any of this network namespace.
import { type FdWatcher, native } from '../native.ts';

export class LinkWatch {
  readonly #fd: number;
  readonly #watcher: FdWatcher | null;

  /** Without netlink sockets, which a sandbox may refuse, it calls nobody. */
  constructor(changed: () => void) {
    this.#fd = opened();
    this.#watcher = this.#fd < 0 ? null : watched(this.#fd, changed);
  }

  close(): void {
    if (this.#watcher === null) return;
    this.#watcher.close();
    native.close(this.#fd);
  }
}

function opened(): number {
  try {
    return native.linkEventsOpen();
  } catch {
    return -1;
  }
}

/** Null, and the descriptor is closed, if it cannot be watched. */
function watched(fd: number, changed: () => void): FdWatcher | null {
  try {
    const watcher = native.watchFd(fd, () => {
      native.linkEventsDrain(fd);
      changed();
    });
    watcher.unref();
    return watcher;
  } catch {
    native.close(fd);
    return null;
  }
}
