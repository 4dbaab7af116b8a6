// SPDX-License-Identifier: BSD-3-Clause
// Every way in which the event loop calls the device model: descriptors, timers, promises, ends of connections. An exception there goes to
// the owner of that work, which ends one session; it never reaches the loop, where it would end the process.
//
// No other file of the device model registers with the event loop (tools/device/guard.test.ts).
import { type FdWatcher, native } from '../../src/native.ts';

/** Takes what a handler threw. Ends the session that the handler works for, with one line in the log. */
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

/** Calls `handler` once, when the event loop has looked at its descriptors again. */
export function soon(handler: () => void, onFault: OnFault): Timer {
  const turn = setImmediate(() => guarded(handler, onFault));
  return { cancel: () => clearImmediate(turn) };
}

/** Waits for `pending`, then calls `handler`, whether it was fulfilled or not. */
export function settled(pending: Promise<void>, handler: () => void, onFault: OnFault): void {
  pending.catch((error) => guarded(() => onFault(error), ignore)).then(() => guarded(handler, onFault));
}

/** Runs all of these, even after one has thrown: whatever the end of a session leaves behind is never cleaned up. */
export function runAll(onFault: OnFault, ...handlers: readonly (() => void)[]): void {
  for (const handler of handlers) guarded(handler, onFault);
}

export function guarded(handler: () => void, onFault: OnFault): void {
  try {
    handler();
  } catch (error) {
    // Ending the session may fail as well; its own steps are guarded one by one, so there is nothing left to try.
    if (onFault === ignore) return;
    guarded(() => onFault(error), ignore);
  }
}

/** For the log and for `close`. */
export function faultReason(error: unknown): string {
  return `internal error: ${error instanceof Error ? error.message : String(error)}`;
}

function ignore(): void {}
