// SPDX-License-Identifier: BSD-3-Clause
// Doorbells where no ioeventfd leads to the device: an eventfd that this thread watches and turns into a register write.
//
// On the kernel's roads a notification register is a trapped one: the write leaves the guest, passes QEMU and is a message on a
// socket. Done here it costs the forwarding thread one system call instead, and several rings that come close together
// become one write, which is all that a doorbell means.
import { type FdWatcher, native } from '../native.ts';

interface Doorbell {
  readonly fd: number;
  readonly watcher: FdWatcher;
}

export class RegisterDoorbells {
  readonly #ring: (bar: number, offset: number, value: number) => void;
  readonly #doorbells = new Map<string, Doorbell>();

  /** `ring` writes the register; what it throws (the device is gone) is dropped. */
  constructor(ring: (bar: number, offset: number, value: number) => void) {
    this.#ring = ring;
  }

  /** The descriptor for a register and value, the same one each time. */
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
        // A device that is gone is told of by the bus.
      }
    });
    return { fd, watcher };
  }
}
