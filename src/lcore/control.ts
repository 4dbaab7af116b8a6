// SPDX-License-Identifier: BSD-3-Clause
// The words that an lcore shares with the thread that launched it, and what it is given at its start.
import type { QueueSpec } from '../ethdev/port.ts';

/** Int32Array of control words: 1 while the lcore shall run. */
export const RUNNING = 0;
/** First of the slots that name the lcore's pools: handle + 1, 0 when free. */
export const FIRST_POOL = 1;
export const MAX_POOLS = 63;
/** First of the slots that name what the lcore sleeps with: handle + 1, 0 when free. */
export const FIRST_SLEEPER = FIRST_POOL + MAX_POOLS;
export const MAX_SLEEPERS = 16;
/** First of the slots that name the queues that the lcore has opened, as `queueWord` makes them. */
export const FIRST_QUEUE = FIRST_SLEEPER + MAX_SLEEPERS;
export const MAX_QUEUES = 256;
export const CONTROL_WORDS = FIRST_QUEUE + MAX_QUEUES;

/** Float64Array of statistics that module and launcher share. */
export const STATS_WORDS = 64;

export interface LcoreStart {
  readonly lcoreId: number;
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
}

/** What a worker says to its launcher. */
export type LcoreMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly stack: string };

/** A queue of LcoreStart.ports as a control word, never 0. */
export const queueWord = (role: 'rx' | 'tx', port: number, queue: number): number =>
  (((port << 15) | queue) << 1) | (role === 'tx' ? 1 : 0) | (1 << 30);

/** The queues that control words name. Each is told once: its word is cleared. */
export function takeQueues(control: Int32Array, ports: readonly PortQueues[]): QueueSpec[] {
  const specs: QueueSpec[] = [];
  for (let slot = FIRST_QUEUE; slot < FIRST_QUEUE + MAX_QUEUES; slot++) {
    const word = Atomics.exchange(control, slot, 0);
    if (word === 0) continue;
    const spec = ports[(word >> 16) & 0x3fff]?.[word & 1 ? 'tx' : 'rx'][(word >> 1) & 0x7fff];
    if (spec) specs.push(spec);
  }
  return specs;
}
