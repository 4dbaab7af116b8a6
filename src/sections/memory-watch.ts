// SPDX-License-Identifier: BSD-3-Clause
// Notices the loss of mapped memory: the file behind it was shrunk, and the mapping reads as zeros now.
import { type FdWatcher, type MappingHandle, native } from '../native.ts';

export class MemoryWatch {
  readonly #fd = native.eventfd();
  readonly #watcher: FdWatcher;
  #closed = false;

  /** `onLost` is called on the event loop, at most once, with the reason. */
  constructor(mappings: readonly MappingHandle[], onLost: (reason: string) => void) {
    for (const mapping of mappings) notifyLoss(mapping, this.#fd);
    this.#watcher = native.watchFd(this.#fd, () => {
      this.close();
      onLost('its memory file was shrunk, or is out of pages');
    });
    this.#watcher.unref();
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watcher.close();
    native.close(this.#fd);
  }
}

/** Memory of a device, which the kernel maps, cannot be lost. */
function notifyLoss(mapping: MappingHandle, fd: number): void {
  try {
    native.notifyLoss(mapping, fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  }
}
