// SPDX-License-Identifier: BSD-3-Clause
// The control words that an lcore shares with its launcher, and the data passed to it at start.
import type { Port, QueueSpec } from '../ethdev/port.ts';
import { queueOwners, releaseQueue } from '../ethdev/queue-owners.ts';
import type { PmdWarning } from '../warnings.ts';

/** Index in the Int32Array of control words: 1 while the lcore should run. */
export const RUNNING = 0;
/** A range of control words: `count` words from `first` on. */
export interface Slots {
  readonly first: number;
  readonly count: number;
}

export interface ControlLayout {
  /** The lcore's sleepers: handle + 1, or 0 if free. */
  readonly sleepers: Slots;
  /** The lcore's pools: handle + 1, or 0 if free. */
  readonly pools: Slots;
  /**
   * One word per queue of its ports, 1 once the lcore has opened it: for each port, the RX queues, then the
   * TX queues.
   */
  readonly queues: Slots;
  readonly words: number;
}

export const MAX_SLEEPERS = 16;
/**
 * Pools that an lcore may have in addition to one per queue of its ports: the packet generator has one for
 * each of its 256 streams, and one to receive.
 */
export const SPARE_POOLS = 255;

/** The layout of the control words, sized for any number of queues of the ports. */
export function controlLayout(ports: readonly PortQueues[]): ControlLayout {
  const queueCount = ports.reduce((sum, { rx, tx }) => sum + rx.length + tx.length, 0);
  const sleepers = { first: RUNNING + 1, count: MAX_SLEEPERS };
  const pools = { first: sleepers.first + sleepers.count, count: SPARE_POOLS + queueCount };
  const queues = { first: pools.first + pools.count, count: queueCount };
  return { sleepers, pools, queues, words: queues.first + queues.count };
}

/** Length of the Float64Array of statistics that module and launcher share. */
export const STATS_WORDS = 64;

export interface LcoreStart {
  readonly lcoreId: number;
  /** Identifies this lcore, among all that the process has launched, as an owner of queues. */
  readonly owner: number;
  readonly cpus: readonly number[];
  /** URL of the user's module. */
  readonly module: string;
  readonly control: SharedArrayBuffer;
  readonly stats: SharedArrayBuffer;
  /** Eventfd that ends a sleep because the lcore must stop. */
  readonly wakeFd: number;
  readonly ports: readonly PortQueues[];
  readonly data: unknown;
}

export interface PortQueues {
  readonly rx: readonly QueueSpec[];
  readonly tx: readonly QueueSpec[];
  /** Owners of all possible queues of the port, see queue-owners.ts. */
  readonly owners: SharedArrayBuffer;
  /** Index of the first TX queue in `owners`. */
  readonly txOwners: number;
}

/** The configured queues of a port, for an lcore. */
export function queuesOf(port: Port): PortQueues {
  return {
    rx: Array.from({ length: port.config.rxQueues }, (_, queue) => port.rxQueueSpec(queue)),
    tx: Array.from({ length: port.config.txQueues }, (_, queue) => port.txQueueSpec(queue)),
    owners: queueOwners(port),
    txOwners: port.info.maxRxQueues,
  };
}

const OWNER_ID_BITS = 10;
let launched = 0;

/** Returns a number that is unique among the lcores of this process and contains the lcore's id. */
export function newOwner(lcoreId: number): number {
  launched = (launched % 0x1f_ffff) + 1;
  return (launched << OWNER_ID_BITS) | lcoreId;
}

export function lcoreOfOwner(owner: number): number {
  return owner & ((1 << OWNER_ID_BITS) - 1);
}

/** Index of a queue's owner in `owners`. */
export function ownerSlot({ txOwners }: PortQueues, role: 'rx' | 'tx', queue: number): number {
  return role === 'rx' ? queue : txOwners + queue;
}

/** Messages from a worker to its launcher. */
export type LcoreMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done' }
  | { readonly kind: 'warning'; readonly warning: PmdWarning }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly stack: string };

/** Index of the control word of a queue. */
export function queueSlot(
  ports: readonly PortQueues[],
  role: 'rx' | 'tx',
  port: number,
  queue: number,
): number {
  let slot = controlLayout(ports).queues.first;
  for (const { rx, tx } of ports.slice(0, port)) slot += rx.length + tx.length;
  return slot + (role === 'tx' ? (ports[port]?.rx.length ?? 0) : 0) + queue;
}

/**
 * Releases the queues that the lcore has opened and returns them. Each is returned once, since its word is
 * cleared, and not at all if it has another owner since the lcore was given up.
 */
export function takeQueues({ control, ports, owner }: LcoreStart): QueueSpec[] {
  const words = new Int32Array(control);
  const { first } = controlLayout(ports).queues;
  return allQueues(ports)
    .filter((_, i) => Atomics.exchange(words, first + i, 0) !== 0)
    .filter(({ port, spec }) => releaseQueue(port.owners, ownerSlot(port, spec.role, spec.queue), owner))
    .map(({ spec }) => spec);
}

/**
 * Lets other lcores open the queues of an lcore whose thread does not end. A queue that it is still inside
 * stays stuck, so a burst of another lcore does nothing there.
 */
export function giveUpQueues({ ports, owner }: LcoreStart): void {
  for (const { port, spec } of allQueues(ports))
    releaseQueue(port.owners, ownerSlot(port, spec.role, spec.queue), owner);
}

const allQueues = (ports: readonly PortQueues[]) =>
  ports.flatMap((port) => [...port.rx, ...port.tx].map((spec) => ({ port, spec })));
