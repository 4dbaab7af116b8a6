// SPDX-License-Identifier: BSD-3-Clause
// All callbacks from the event loop into the device model: descriptors, timers, promises, ends of
// connections. An exception in one goes to the owner of that work, which ends one session; it never reaches
// the loop, where it would end the process.
//
// No other file of the device model registers with the event loop (tools/device/guard.test.ts).
import { type FdWatcher, native } from '../../src/native.ts';

/** Receives what a handler threw. Ends the session that the handler works for, with one line in the log. */
export type OnFault = (error: unknown) => void;

export interface Timer {
  /** Idempotent. */
  cancel(): void;
}

/** Calls `handler` whenever `fd` is readable. */
export function watch(fd: number, handler: () => void, onFault: OnFault): FdWatcher {
  return native.watchFd(fd, () => guarded(handler, onFault));
}

/** Calls `handler` once, in `ms` milliseconds. */
export function after(ms: number, handler: () => void, onFault: OnFault): Timer {
  const timer = setTimeout(() => guarded(handler, onFault), ms);
  return { cancel: () => clearTimeout(timer) };
}

/** Calls `handler` once, after the event loop has polled its descriptors again. */
export function soon(handler: () => void, onFault: OnFault): Timer {
  const turn = setImmediate(() => guarded(handler, onFault));
  return { cancel: () => clearImmediate(turn) };
}

/** Waits for `pending`, then calls `handler`, whether it was fulfilled or rejected. */
export function settled(pending: Promise<void>, handler: () => void, onFault: OnFault): void {
  pending.catch((error) => guarded(() => onFault(error), ignore)).then(() => guarded(handler, onFault));
}

/**
 * Runs all handlers, even after one has thrown: anything that the end of a session leaves behind would never
 * be cleaned up.
 */
export function runAll(onFault: OnFault, ...handlers: readonly (() => void)[]): void {
  for (const handler of handlers) guarded(handler, onFault);
}

export function guarded(handler: () => void, onFault: OnFault): void {
  try {
    handler();
  } catch (error) {
    // Ending the session may fail as well; its steps are guarded one by one, so there is nothing left to try.
    if (onFault === ignore) return;
    guarded(() => onFault(error), ignore);
  }
}

/** Text of a fault, for the log and for `close`. */
export function faultReason(error: unknown): string {
  return `internal error: ${error instanceof Error ? error.message : String(error)}`;
}

function ignore(): void {}
