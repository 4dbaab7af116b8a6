// SPDX-License-Identifier: BSD-3-Clause
// Which lcore owns which queue of a port: one word per possible queue of the port, RX before TX, shared by
// all threads. A queue may be used by one thread only; two threads polling it would corrupt its ring state.
import type { Port } from './port.ts';

const FREE = 0;
const CLOSED = -1;

const known = new WeakMap<Port, SharedArrayBuffer>();

/** The words of a port, created on first use. */
export function queueOwners(port: Port): SharedArrayBuffer {
  const there = known.get(port);
  if (there) return there;
  const { maxRxQueues, maxTxQueues } = port.info;
  const words = new SharedArrayBuffer(4 * (maxRxQueues + maxTxQueues));
  known.set(port, words);
  return words;
}

/**
 * Claims a queue for `owner`, a positive number. Returns its owner, which may be an earlier one, or null if
 * the port is closed.
 */
export function claimQueue(owners: SharedArrayBuffer, at: number, owner: number): number | null {
  const before = Atomics.compareExchange(new Int32Array(owners), at, FREE, owner);
  if (before === CLOSED) return null;
  return before === FREE ? owner : before;
}

/** Releases a queue if `owner` owns it. False if another owner has it by now. */
export function releaseQueue(owners: SharedArrayBuffer, at: number, owner: number): boolean {
  const before = Atomics.compareExchange(new Int32Array(owners), at, owner, FREE);
  return before === owner || before === FREE || before === CLOSED;
}

/** Whether closeQueues() was called. */
export function queuesClosed(port: Port): boolean {
  const owners = known.get(port);
  return owners !== undefined && wordsClosed(owners);
}

/** The same for a thread that has only the words. */
export function wordsClosed(owners: SharedArrayBuffer): boolean {
  return new Int32Array(owners).includes(CLOSED);
}

/** Prevents lcores from opening queues of the port from now on. */
export function closeQueues(port: Port): void {
  const owners = new Int32Array(queueOwners(port));
  for (let at = 0; at < owners.length; at++) Atomics.store(owners, at, CLOSED);
}
