// SPDX-License-Identifier: BSD-3-Clause
// The end of a process whose threads or terminals do not let Node end it.
import { isatty } from 'node:tty';
import { requireInteger } from './arguments.ts';
import { native } from './native.ts';

/** The standard descriptors that were terminals when the process began. */
const TERMINALS = [0, 1, 2].filter((fd) => isatty(fd));

/** Threads that were given up: they are stuck on memory whose pages never arrive. */
let stranded = 0;

/** Counts a thread that was given up (1), or that ended after all (-1). */
export function countStranded(change: 1 | -1): void {
  stranded += change;
}

/**
 * Ends the process like process.exit, which waits for every thread and so would wait forever for one that is
 * stuck on memory whose pages never arrive. exitProcess ends the process without waiting for such a thread.
 * Nor does Node restore a terminal that is gone: it would crash.
 */
export function exitProcess(code: number = Number(process.exitCode ?? 0)): never {
  requireInteger('exitProcess()', 'code', code, 0, 255);
  if (stranded > 0 || TERMINALS.some((fd) => native.isHungUp(fd))) {
    process.emit('exit', code);
    native.exitNow(code);
  }
  process.exit(code);
}
