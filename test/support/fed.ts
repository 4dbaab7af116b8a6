// SPDX-License-Identifier: BSD-3-Clause
import type { ChildProcess } from 'node:child_process';

/**
 * A child that text is written to. It may end, or be killed, while a write is pending; Node would raise that
 * EPIPE in the test process, outside any test, and fail the whole run.
 */
export function fed<C extends ChildProcess>(child: C): C {
  child.stdin?.on('error', () => {});
  return child;
}
