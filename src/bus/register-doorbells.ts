// SPDX-License-Identifier: BSD-3-Clause
// Doorbells for a bus without ioeventfds: an eventfd that this thread watches and turns into a register
// write.
//
// On the kernel's buses a write to a notification register traps: it leaves the guest, passes QEMU and
// becomes a message on a socket. Done here, it costs the forwarding thread one system call instead, and
// several kicks in short succession become one write, which is all that a doorbell requires.
import { type FdWatcher, native } from '../native.ts';

interface Doorbell {
  readonly fd: number;
  readonly watcher: FdWatcher;
}

export class RegisterDoorbells {
  readonly #ring: (bar: number, offset: number, value: number) => void;
  readonly #doorbells = new Map<string, Doorbell>();

  /** `ring` writes the register; its exceptions (the device is gone) are ignored. */
  constructor(ring: (bar: number, offset: number, value: number) => void) {
    this.#ring = ring;
  }

  /** The descriptor for a register and value, the same at each call. */
  fd(bar: number, offset: number, value: number): number {
    const key = `${bar}:${offset}:${value}`;
    let doorbell = this.#doorbells.get(key);
    if (!doorbell) {
      doorbell = this.#open(() => this.#ring(bar, offset, value));
      this.#doorbells.set(key, doorbell);
    }
    return doorbell.fd;
  }

  close(): void {
    for (const { fd, watcher } of this.#doorbells.values()) {
      watcher.close();
      native.close(fd);
    }
    this.#doorbells.clear();
  }

  #open(ring: () => void): Doorbell {
    const fd = native.eventfd();
    const watcher = native.watchFd(fd, () => {
      native.eventfdDrain(fd);
      try {
        ring();
      } catch {
        // The bus reports the removal of the device.
      }
    });
    return { fd, watcher };
  }
}
