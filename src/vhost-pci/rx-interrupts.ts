// SPDX-License-Identifier: BSD-3-Clause
// One eventfd for each RX engine, on which another thread sleeps: its vector's, signalled by the peer's kicks, and by us whenever the
// sleeper should look at the world anew.
import { VHOST_PCI_VECTOR_QUEUES } from '../abi/vhost-pci.ts';
import type { PciDevice } from '../bus/pci-device.ts';
import { native } from '../native.ts';

export class RxInterrupts {
  readonly #fds: readonly number[];

  /** Before `pci.enableInterrupts()`. A device that lacks the vectors has no RX interrupts. */
  constructor(pci: PciDevice, queuePairs: number) {
    this.#fds = Array.from({ length: queuePairs }, (_, pair) => {
      // Local RX queue 2i stands for the kicks of the ring on which the peer sends (docs/device-abi.md, "Queues and vectors").
      const vector = VHOST_PCI_VECTOR_QUEUES + 2 * pair;
      return vector < pci.vectors ? pci.interruptFd(vector) : -1;
    });
  }

  /** -1 for none. */
  fd(pair: number): number {
    return this.#fds[pair] ?? -1;
  }

  wake(pair: number): void {
    const fd = this.fd(pair);
    if (fd >= 0) native.eventfdSignal(fd);
  }

  wakeAll(): void {
    for (const pair of this.#fds.keys()) this.wake(pair);
  }
}
