// SPDX-License-Identifier: BSD-3-Clause
// The context that a user's module gets on its lcore.
import { requireInteger } from '../arguments.ts';
import { abandonQueue, openRxQueue, openTxQueue } from '../drivers/table.ts';
import { PmdError } from '../errors.ts';
import { Mempool, type MempoolOptions } from '../ethdev/mempool.ts';
import type { QueueSpec, RxQueue, TxQueue } from '../ethdev/port.ts';
import { claimQueue, wordsClosed } from '../ethdev/queue-owners.ts';
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

/** Larger than any port or queue number; the launcher determines which exist. */
const MAX_NUMBER = 65_535;

/**
 * What a module gets on its lcore: the one argument of its default export. For that thread only.
 *
 * @example
 * ```ts
 * export default function echo(lcore: LcoreContext): void {
 *   const [rx, tx, pool] = [lcore.rxQueue(0), lcore.txQueue(0), lcore.createPool()];
 *   const pkts = pool.vector(32);
 *   while (lcore.running()) {
 *     const n = rx.burst(pkts, 32);
 *     const sent = tx.burst(pkts, 0, n);
 *     pool.free(pkts, sent, n);
 *   }
 * }
 * ```
 */
export interface LcoreContext<Data = unknown> {
  /** The lcore's number, as given to launch(). */
  readonly lcoreId: number;
  /** Number of ports passed to launch(). */
  readonly portCount: number;
  /** The `data` passed to launch(). */
  readonly data: Data;
  /** 64 numbers that the launcher sees as `Lcore.stats`; the module defines their meaning. */
  readonly stats: Float64Array;
  /** HOT. False once the launcher asks the lcore to stop; the module must then return. */
  running(): boolean;
  /**
   * Opens receive queue `queue` (default: 0) of the launcher's `ports[port]`. Throws VPCI_NO_QUEUE if the
   * port has no such queue; VPCI_QUEUE_BUSY, naming the lcore, if another lcore owns the queue, which it does
   * until it ends; VPCI_CLOSED if the port is closed; VPCI_ARGUMENT.
   */
  rxQueue(port: number, queue?: number): RxQueue;
  /** Opens transmit queue `queue` (default: 0) of `ports[port]`; throws the same errors as rxQueue. */
  txQueue(port: number, queue?: number): TxQueue;
  /**
   * Creates a pool for this thread. It is freed when the lcore ends, for whatever reason. At most 255, plus
   * one for each queue of the ports (VPCI_POOLS). Throws as {@link Mempool} does.
   */
  createPool(options?: MempoolOptions): Mempool;
  /**
   * Creates a sleeper, with which this lcore sleeps until a packet arrives on one of the queues or it must
   * stop. Freed when the lcore ends; at most 16 (VPCI_SLEEPERS). Throws VPCI_NO_INTERRUPTS if a queue
   * can only be polled.
   */
  createSleeper(queues: readonly RxQueue[]): Sleeper;
}

/** The default export of a module that runs on an lcore. */
export type LcoreMain<Data = unknown> = (lcore: LcoreContext<Data>) => void | Promise<void>;

/** The implementation, created in the worker. */
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
    return this.#open('rx', port, queue, openRxQueue);
  }

  txQueue(port: number, queue = 0): TxQueue {
    return this.#open('tx', port, queue, openTxQueue);
  }

  /** Releases what was held in place, however the thread ends, because stopping a queue waits for that. */
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

  #freeSlot(what: 'pool' | 'sleeper', { first, count }: Slots): number {
    const slot = this.#control.indexOf(0, first);
    if (slot >= 0 && slot < first + count) return slot;
    throw new PmdError(
      what === 'pool' ? 'VPCI_POOLS' : 'VPCI_SLEEPERS',
      `Failed to create a ${what}: lcore ${this.lcoreId} already has ${count}`,
    );
  }

  /**
   * Clears the slot only if it still holds this handle: closing twice must not free a slot that was reused.
   */
  #forget(slot: number, handle: number): void {
    Atomics.compareExchange(this.#control, slot, handle + 1, 0);
  }

  /**
   * If the port is closed between claiming and opening, the driver's queue is gone; that is also VPCI_CLOSED.
   */
  #open<Queue>(role: 'rx' | 'tx', port: number, queue: number, open: (spec: QueueSpec) => Queue): Queue {
    const spec = this.#take(role, port, queue);
    try {
      return open(spec);
    } catch (error) {
      const { owners } = this.#start.ports[port] as PortQueues;
      throw wordsClosed(owners) ? closedError(spec) : error;
    }
  }

  /**
   * Claims a queue and returns its spec. Also records it for the launcher, in case this thread can no longer
   * release it itself.
   */
  #take(role: 'rx' | 'tx', port: number, queue: number) {
    const spec = this.#spec(role, port, queue);
    this.#claim(this.#start.ports[port] as PortQueues, spec);
    Atomics.store(this.#control, queueSlot(this.#start.ports, role, port, queue), 1);
    return spec;
  }

  #claim(port: PortQueues, spec: QueueSpec): void {
    const { role, queue } = spec;
    const { owner } = this.#start;
    const holder = claimQueue(port.owners, ownerSlot(port, role, queue), owner);
    if (holder === owner) return;
    if (holder === null) throw closedError(spec);
    throw new PmdError(
      'VPCI_QUEUE_BUSY',
      `${failedToOpen(spec)}: lcore ${lcoreOfOwner(holder)} has it, and a queue belongs to one lcore`,
    );
  }

  #spec(role: 'rx' | 'tx', port: number, queue: number) {
    requireInteger(`${role}Queue()`, 'port', port, 0, MAX_NUMBER);
    requireInteger(`${role}Queue()`, 'queue', queue, 0, MAX_NUMBER);
    const spec = this.#start.ports[port]?.[role][queue];
    if (spec) return spec;
    throw new PmdError(
      'VPCI_NO_QUEUE',
      `Failed to open ${role.toUpperCase()} queue ${queue} of port ${port}: the lcore has no such queue`,
    );
  }
}

function failedToOpen({ role, queue, port }: QueueSpec): string {
  return `Failed to open ${role.toUpperCase()} queue ${queue} of port ${port}`;
}

function closedError(spec: QueueSpec): PmdError {
  return new PmdError('VPCI_CLOSED', `${failedToOpen(spec)}: the port is closed`);
}

/** A pool that the launcher frees unless the module closes it first. */
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
