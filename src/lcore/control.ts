// SPDX-License-Identifier: BSD-3-Clause
// The words that an lcore shares with the thread that launched it, and what it is given at its start.
import type { QueueSpec } from '../ethdev/port.ts';
import { releaseQueue } from '../ethdev/queue-owners.ts';

/** Int32Array of control words: 1 while the lcore shall run. */
export const RUNNING = 0;
/** Words of one kind: `count` of them from `first` on. */
export interface Slots {
  readonly first: number;
  readonly count: number;
}

export interface ControlLayout {
  /** Name what the lcore sleeps with: handle + 1, 0 when free. */
  readonly sleepers: Slots;
  /** Name the lcore's pools: handle + 1, 0 when free. */
  readonly pools: Slots;
  /** One for each queue of its ports, 1 once the lcore has opened it: of each port in turn the RX queues, then the TX queues. */
  readonly queues: Slots;
  readonly words: number;
}

export const MAX_SLEEPERS = 16;
/** Pools that an lcore may have beside one for each queue that it was given. */
export const SPARE_POOLS = 63;

/** There is a word for everything that the queues of the ports may call for, however many those are. */
export function controlLayout(ports: readonly PortQueues[]): ControlLayout {
  const queueCount = ports.reduce((sum, { rx, tx }) => sum + rx.length + tx.length, 0);
  const sleepers = { first: RUNNING + 1, count: MAX_SLEEPERS };
  const pools = { first: sleepers.first + sleepers.count, count: SPARE_POOLS + queueCount };
  const queues = { first: pools.first + pools.count, count: queueCount };
  return { sleepers, pools, queues, words: queues.first + queues.count };
}

/** Float64Array of statistics that module and launcher share. */
export const STATS_WORDS = 64;

export interface LcoreStart {
  readonly lcoreId: number;
  /** Names this lcore, of all that the process has launched, as the owner of queues. */
  readonly owner: number;
  readonly cpus: readonly number[];
  /** URL of the user's module. */
  readonly module: string;
  readonly control: SharedArrayBuffer;
  readonly stats: SharedArrayBuffer;
  /** Eventfd that ends a sleep: the lcore is to stop. */
  readonly wakeFd: number;
  readonly ports: readonly PortQueues[];
  readonly data: unknown;
}

export interface PortQueues {
  readonly rx: readonly QueueSpec[];
  readonly tx: readonly QueueSpec[];
  /** Who has which of all queues that the port may have, see queue-owners.ts. */
  readonly owners: SharedArrayBuffer;
  /** Where its TX queues start in there. */
  readonly txOwners: number;
}

const OWNER_ID_BITS = 10;
let launched = 0;

/** A number that no other lcore of this process has; it tells the lcore's own. */
export function newOwner(lcoreId: number): number {
  launched = (launched % 0x1f_ffff) + 1;
  return (launched << OWNER_ID_BITS) | lcoreId;
}

export function lcoreOfOwner(owner: number): number {
  return owner & ((1 << OWNER_ID_BITS) - 1);
}

/** Where a queue's owner stands in `owners`. */
export function ownerSlot({ txOwners }: PortQueues, role: 'rx' | 'tx', queue: number): number {
  return role === 'rx' ? queue : txOwners + queue;
}

/** What a worker says to its launcher. */
export type LcoreMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly stack: string };

/** The control word of a queue that the ports have. */
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

/** The queues that the lcore has opened, which others may have from now on. Each is told once: its word is cleared. */
export function takeQueues({ control, ports, owner }: LcoreStart): QueueSpec[] {
  const words = new Int32Array(control);
  const { first } = controlLayout(ports).queues;
  const all = ports.flatMap((port) => [...port.rx, ...port.tx].map((spec) => ({ port, spec })));
  const taken = all.filter((_, i) => Atomics.exchange(words, first + i, 0) !== 0);
  for (const { port, spec } of taken)
    releaseQueue(port.owners, ownerSlot(port, spec.role, spec.queue), owner);
  return taken.map(({ spec }) => spec);
}
