// SPDX-License-Identifier: BSD-3-Clause
// A function's interrupt vectors as eventfds that the event loop watches; how the device learns of them is the bus's affair.
import { PmdError } from '../errors.ts';
import { type FdWatcher, native } from '../native.ts';

/** Throws VPCI_NO_VECTOR, naming the device, when it lacks this vector. */
export function checkVector(
  device: { readonly name: string; readonly vectors: number },
  vector: number,
): void {
  if (vector >= 0 && vector < device.vectors) return;
  throw new PmdError(
    'VPCI_NO_VECTOR',
    `The device ${device.name} has ${device.vectors} vectors, none is ${vector}`,
  );
}

export class Interrupt {
  readonly #handler: () => void;
  #eventfd = -1;
  #watcher: FdWatcher | null = null;

  constructor(handler: () => void) {
    this.#handler = handler;
  }

  /** -1 until arm(). */
  get eventfd(): number {
    return this.#eventfd;
  }

  /** Makes and watches the eventfd, and returns it; once is enough. */
  arm(): number {
    if (this.#eventfd < 0) {
      const fd = native.eventfd();
      this.#eventfd = fd;
      this.#watcher = native.watchFd(fd, () => {
        native.eventfdDrain(fd);
        this.#handler();
      });
    }
    return this.#eventfd;
  }

  /** No more calls. The eventfd stays open: the device may still hold it. */
  silence(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  /** Gives the eventfd back, after the device has let go of it. */
  close(): void {
    this.silence();
    if (this.#eventfd >= 0) native.close(this.#eventfd);
    this.#eventfd = -1;
  }
}
