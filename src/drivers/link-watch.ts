// SPDX-License-Identifier: BSD-3-Clause
// Calls back when an interface of the kernel may have changed: any of this network namespace.
import { native } from '../native.ts';

export class LinkWatch {
  readonly close: () => void;

  /** Without netlink sockets, which a sandbox may refuse, it calls nobody. */
  constructor(changed: () => void) {
    const fd = opened();
    if (fd < 0) {
      this.close = () => {};
      return;
    }
    const watcher = native.watchFd(fd, () => {
      native.linkEventsDrain(fd);
      changed();
    });
    watcher.unref();
    this.close = () => {
      watcher.close();
      native.close(fd);
    };
  }
}

function opened(): number {
  try {
    return native.linkEventsOpen();
  } catch {
    return -1;
  }
}
