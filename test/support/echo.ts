// SPDX-License-Identifier: BSD-3-Clause
// The smallest application: sends back everything that a port receives.
import { vhostPciDriver } from '../../src/drivers/vhost-pci/driver.ts';
import { Mempool } from '../../src/ethdev/mempool.ts';
import type { Port } from '../../src/ethdev/port.ts';

/** Sends back what it receives on all queues, alternating with the event loop. */
export class Echo {
  readonly #pool = new Mempool({ count: 1024, hugepages: false });
  readonly #turn: () => void;
  #stopped = false;

  constructor(port: Port) {
    const pairs = Array.from({ length: port.config.rxQueues }, (_, queue) => ({
      rx: vhostPciDriver.openRxQueue(port.rxQueueSpec(queue)),
      tx: vhostPciDriver.openTxQueue(port.txQueueSpec(queue)),
      pkts: this.#pool.vector(32),
    }));
    this.#turn = () => {
      if (this.#stopped) return;
      for (const { rx, tx, pkts } of pairs) {
        const received = rx.burst(pkts, 32);
        const sent = tx.burst(pkts, 0, received);
        if (sent < received) this.#pool.free(pkts, sent, received);
      }
      setImmediate(this.#turn);
    };
    this.#turn();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#pool.close();
  }
}
