// SPDX-License-Identifier: BSD-3-Clause
// Notices the loss of mapped memory: the file behind it was shrunk, and the mapping reads as zeros now.
import { type FdWatcher, type MappingHandle, native } from '../native.ts';

export class MemoryWatch {
  readonly #fd = native.eventfd();
  readonly #watcher: FdWatcher;
  readonly #onLost: (reason: string) => void;
  #closed = false;

  /** `onLost` is called at most once, by the event loop or by lost(), with the reason. */
  constructor(mappings: readonly MappingHandle[], onLost: (reason: string) => void) {
    this.#onLost = onLost;
    for (const mapping of mappings) notifyLoss(mapping, this.#fd);
    this.#watcher = native.watchFd(this.#fd, () => void this.lost());
    this.#watcher.unref();
  }

  /** True if memory is lost: for who has read a zero, and cannot wait for the event loop to say why. */
  lost(): boolean {
    if (this.#closed || native.eventfdDrain(this.#fd) === 0n) return false;
    this.close();
    this.#onLost('its memory file was shrunk, or is out of pages');
    return true;
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
