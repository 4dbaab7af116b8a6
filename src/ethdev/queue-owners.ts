// SPDX-License-Identifier: BSD-3-Clause
// Which lcore has which queue of a port: one word for each queue that the port may have, RX before TX, shared by all threads. A queue is
// made for one thread, and two that poll it would tear its ring.
import type { Port } from './port.ts';

const FREE = 0;
const CLOSED = -1;

const known = new WeakMap<Port, SharedArrayBuffer>();

/** The words of a port, from its first lcore on. */
export function queueOwners(port: Port): SharedArrayBuffer {
  const there = known.get(port);
  if (there) return there;
  const { maxRxQueues, maxTxQueues } = port.info;
  const words = new SharedArrayBuffer(4 * (maxRxQueues + maxTxQueues));
  known.set(port, words);
  return words;
}

/** Gives a queue to `owner`, a positive number. Returns who has it now: another one keeps it, and of a closed port nobody gets any (null). */
export function claimQueue(owners: SharedArrayBuffer, at: number, owner: number): number | null {
  const before = Atomics.compareExchange(new Int32Array(owners), at, FREE, owner);
  if (before === CLOSED) return null;
  return before === FREE ? owner : before;
}

/** Gives back a queue, if `owner` has it. */
export function releaseQueue(owners: SharedArrayBuffer, at: number, owner: number): void {
  Atomics.compareExchange(new Int32Array(owners), at, owner, FREE);
}

/** Whether closeQueues was called. */
export function queuesClosed(port: Port): boolean {
  const owners = known.get(port);
  return owners !== undefined && wordsClosed(owners);
}

/** The same, for a thread that has only the words. */
export function wordsClosed(owners: SharedArrayBuffer): boolean {
  return new Int32Array(owners).includes(CLOSED);
}

/** No lcore is to open a queue of the port any more. */
export function closeQueues(port: Port): void {
  const owners = new Int32Array(queueOwners(port));
  for (let at = 0; at < owners.length; at++) Atomics.store(owners, at, CLOSED);
}
