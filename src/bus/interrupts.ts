// SPDX-License-Identifier: BSD-3-Clause
// A function's interrupt vectors as eventfds, watched by the event loop or left to another thread. The bus
// passes them to the device.
import { PmdError } from '../errors.ts';
import { type FdWatcher, native } from '../native.ts';

/** Throws VPCI_NO_VECTOR, naming the device, if it lacks this vector. */
export function checkVector(
  device: { readonly name: string; readonly vectors: number },
  vector: number,
): void {
  if (vector >= 0 && vector < device.vectors) return;
  throw new PmdError(
    'VPCI_NO_VECTOR',
    `The device ${device.name} has ${device.vectors} vectors; there is no vector ${vector}`,
  );
}

export class Interrupt {
  readonly #handler: (() => void) | null;
  #eventfd = -1;
  #watcher: FdWatcher | null = null;

  /** Without a handler the event loop does not watch the eventfd: another thread waits on it. */
  constructor(handler: (() => void) | null) {
    this.#handler = handler;
  }

  /** -1 until arm(). */
  get eventfd(): number {
    return this.#eventfd;
  }

  /** Creates the eventfd at the first call, watches it for the handler, and returns it. */
  arm(): number {
    if (this.#eventfd < 0) {
      const fd = native.eventfd();
      this.#eventfd = fd;
      if (this.#handler) this.#watch(fd, this.#handler);
    }
    return this.#eventfd;
  }

  /** Stops calling the handler. The eventfd stays open: the device may still hold it. */
  silence(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  /** Closes the eventfd; call it after the device has released it. */
  close(): void {
    this.silence();
    if (this.#eventfd >= 0) native.close(this.#eventfd);
    this.#eventfd = -1;
  }

  #watch(fd: number, handler: () => void): void {
    this.#watcher = native.watchFd(fd, () => {
      native.eventfdDrain(fd);
      handler();
    });
  }
}
