// SPDX-License-Identifier: BSD-3-Clause
// Doorbells for a bus without ioeventfds: an eventfd that this thread watches and turns into a register
// write.
//
// On the kernel's buses a write to a notification register traps: it leaves the guest, passes QEMU and
// becomes a message on a socket. Done here, it costs the forwarding thread one system call instead, and
// several kicks in short succession become one write, which is all that a doorbell requires.
import { type FdWatcher, native } from '../native.ts';
import type { Registers } from '../pci/registers.ts';

interface Doorbell {
  readonly fd: number;
  readonly watcher: FdWatcher;
}

export class RegisterDoorbells {
  readonly #bar: (index: number) => Registers;
  readonly #doorbells = new Map<string, Doorbell>();

  /** Exceptions of a register's write (the device is gone) are ignored. */
  constructor(bar: (index: number) => Registers) {
    this.#bar = bar;
  }

  /** The descriptor for a register and value, the same at each call. */
  fd(bar: number, offset: number, value: number, width: 2 | 4 = 2): number {
    const key = `${bar}:${offset}:${value}:${width}`;
    let doorbell = this.#doorbells.get(key);
    if (!doorbell) {
      doorbell = this.#open(() => {
        const registers = this.#bar(bar);
        if (width === 2) registers.write16(offset, value);
        else registers.write32(offset, value);
      });
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
