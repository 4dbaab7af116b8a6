// SPDX-License-Identifier: BSD-3-Clause
// What a user's module sees on its lcore.

import { PmdError } from '../errors.ts';
import { abandonQueue, openRxQueue, openTxQueue } from '../ethdev/drivers.ts';
import { Mempool, type MempoolOptions } from '../ethdev/mempool.ts';
import type { QueueSpec, RxQueue, TxQueue } from '../ethdev/port.ts';
import { claimQueue } from '../ethdev/queue-owners.ts';
import {
  type ControlLayout,
  controlLayout,
  type LcoreStart,
  lcoreOfOwner,
  ownerSlot,
  type PortQueues,
  queueSlot,
  RUNNING,
  type Slots,
  takeQueues,
} from './control.ts';
import { Sleeper } from './sleeper.ts';

export interface LcoreContext<Data = unknown> {
  readonly lcoreId: number;
  /** How many ports the launcher gave. */
  readonly portCount: number;
  /** What the launcher gave as `data`. */
  readonly data: Data;
  /** 64 numbers that the launcher sees as `Lcore.stats`; what they mean is the module's affair. */
  readonly stats: Float64Array;
  /** HOT. False once the launcher wants the lcore to stop: then return. */
  running(): boolean;
  /**
   * Opens a receive queue of the launcher's `ports[port]`. Throws VPCI_NO_QUEUE when the launcher's port has none of that number;
   * VPCI_QUEUE_BUSY, naming the lcore, when another lcore has it, which keeps it until it has ended; VPCI_CLOSED when the port is closed.
   */
  rxQueue(port: number, queue?: number): RxQueue;
  /** Opens a transmit queue of the launcher's `ports[port]`; throws as rxQueue. */
  txQueue(port: number, queue?: number): TxQueue;
  /** A pool for this thread, freed when the lcore ends, however it ends. At most 63, and one more for each queue of the ports. */
  createPool(options?: MempoolOptions): Mempool;
  /**
   * What this lcore sleeps with until a packet comes on one of the queues or it is to stop. Freed when the lcore ends; at
   * most 16. Throws VPCI_NO_INTERRUPTS when a queue can only be polled.
   */
  createSleeper(queues: readonly RxQueue[]): Sleeper;
}

/** The default export of a module that runs on an lcore. */
export type LcoreMain<Data = unknown> = (lcore: LcoreContext<Data>) => void | Promise<void>;

/** Built in the worker. */
export class WorkerContext implements LcoreContext {
  readonly lcoreId: number;
  readonly portCount: number;
  readonly data: unknown;
  readonly stats: Float64Array;
  readonly #start: LcoreStart;
  readonly #control: Int32Array;
  readonly #layout: ControlLayout;

  constructor(start: LcoreStart) {
    this.#start = start;
    this.#control = new Int32Array(start.control);
    this.#layout = controlLayout(start.ports);
    this.lcoreId = start.lcoreId;
    this.portCount = start.ports.length;
    this.data = start.data;
    this.stats = new Float64Array(start.stats);
  }

  running(): boolean {
    return Atomics.load(this.#control, RUNNING) === 1;
  }

  rxQueue(port: number, queue = 0): RxQueue {
    return openRxQueue(this.#take('rx', port, queue));
  }

  txQueue(port: number, queue = 0): TxQueue {
    return openTxQueue(this.#take('tx', port, queue));
  }

  /** Lets go of what was held in place, however the thread ends: whoever stops a queue waits for that. */
  abandonQueues(): void {
    for (const spec of takeQueues(this.#start)) abandonQueue(spec);
  }

  createPool(options?: MempoolOptions): Mempool {
    const slot = this.#freeSlot('pool', this.#layout.pools);
    const pool = new LcorePool(options, (handle) => this.#forget(slot, handle));
    Atomics.store(this.#control, slot, pool.handle + 1);
    return pool;
  }

  createSleeper(queues: readonly RxQueue[]): Sleeper {
    const slot = this.#freeSlot('sleeper', this.#layout.sleepers);
    const sleeper = new Sleeper({
      queues,
      wakeFd: this.#start.wakeFd,
      running: () => this.running(),
      onClose: (handle) => this.#forget(slot, handle),
    });
    Atomics.store(this.#control, slot, sleeper.handle + 1);
    return sleeper;
  }

  #freeSlot(what: string, { first, count }: Slots): number {
    const slot = this.#control.indexOf(0, first);
    if (slot >= 0 && slot < first + count) return slot;
    throw new PmdError(
      `VPCI_${what.toUpperCase()}S`,
      `Failed to create a ${what}: lcore ${this.lcoreId} has ${count} already`,
    );
  }

  /** Closed twice, a thing must not make the lcore forget the one that has its slot now. */
  #forget(slot: number, handle: number): void {
    Atomics.compareExchange(this.#control, slot, handle + 1, 0);
  }

  /** The queue's description. Its launcher learns of it too, for a thread that can't let go by itself any more. */
  #take(role: 'rx' | 'tx', port: number, queue: number) {
    const spec = this.#spec(role, port, queue);
    this.#claim(this.#start.ports[port] as PortQueues, spec);
    Atomics.store(this.#control, queueSlot(this.#start.ports, role, port, queue), 1);
    return spec;
  }

  #claim(port: PortQueues, { role, queue, port: id }: QueueSpec): void {
    const { owner } = this.#start;
    const holder = claimQueue(port.owners, ownerSlot(port, role, queue), owner);
    if (holder === owner) return;
    const failure = `Failed to open ${role.toUpperCase()} queue ${queue} of port ${id}`;
    if (holder === null) throw new PmdError('VPCI_CLOSED', `${failure}: the port is closed`);
    throw new PmdError(
      'VPCI_QUEUE_BUSY',
      `${failure}: lcore ${lcoreOfOwner(holder)} has it, and a queue belongs to one lcore`,
    );
  }

  #spec(role: 'rx' | 'tx', port: number, queue: number) {
    const spec = this.#start.ports[port]?.[role][queue];
    if (spec) return spec;
    throw new PmdError(
      'VPCI_NO_QUEUE',
      `Failed to open ${role.toUpperCase()} queue ${queue} of port ${port}: the lcore was given no such queue`,
    );
  }
}

/** A pool that its launcher frees, unless the module closes it first. */
class LcorePool extends Mempool {
  readonly #forget: (handle: number) => void;

  constructor(options: MempoolOptions | undefined, forget: (handle: number) => void) {
    super(options);
    this.#forget = forget;
  }

  override close(): void {
    this.#forget(this.handle);
    super.close();
  }
}
