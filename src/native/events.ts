// SPDX-License-Identifier: BSD-3-Clause
// Waiting: for descriptors, eventfds and signals.
import type { WaitSetHandle } from './handles.ts';

export interface FdWatcher {
  /** Stops watching; the descriptor stays open. Safe to call twice. */
  close(): void;
  /** Stops keeping the event loop alive. */
  unref(): void;
}

export interface EventCalls {
  /** Waits until `fd` is readable (or writable); false on timeout. For the synchronous control path only. */
  pollFd(fd: number, events: 'in' | 'out', timeoutMs: number): boolean;
  /**
   * True if SIGINT, SIGTERM or SIGHUP has arrived and this thread's event loop has yet to call its listener.
   * Never blocks.
   */
  endSignalWaits(): boolean;
  /** True if the other end of a connection is closed, even with data left to read. Never blocks. */
  isHungUp(fd: number): boolean;
  /**
   * Calls back on the event loop while `fd` is readable (level-triggered; hang-up counts). Keeps the loop
   * alive.
   */
  watchFd(fd: number, onReadable: () => void): FdWatcher;
  /** Non-blocking eventfd, close-on-exec. */
  eventfd(): number;
  /**
   * True if `fd` is an eventfd: check every descriptor that a peer passes as one, before signalling or
   * watching it.
   */
  isEventfd(fd: number): boolean;
  /**
   * Adds 1; a full counter stays full. False if `fd` is not an eventfd. Never throws for a bad peer's
   * descriptor, and never blocks, whatever other holders do with its flags and its counter
   * (addon/ring/signal.h).
   */
  eventfdSignal(fd: number): boolean;
  /** Reads and clears; 0n if nothing was pending. */
  eventfdDrain(fd: number): bigint;
  /**
   * A set of descriptors to sleep on; it holds duplicates. At most 1024 descriptors, and 256 sets per
   * process.
   */
  waitSetCreate(fds: readonly number[]): WaitSetHandle;
  /**
   * HOT, and blocks the thread. Returns when a descriptor of the set is readable, on timeout (-1: none), or
   * early without a descriptor: the thread's event loop has work, or the thread is to be terminated. Eventfds
   * are drained. Writes the positions of the readable descriptors into `ready` and returns their number.
   */
  waitSetWait(set: WaitSetHandle, timeoutMs: number, ready: Uint32Array): number;
  /** Frees a set on which no thread waits. */
  waitSetDestroy(set: WaitSetHandle): void;
}
