// SPDX-License-Identifier: BSD-3-Clause
// Runs a program to its end, with a time limit.
import { Child } from '../run/child.ts';

/**
 * Runs `command` and returns its standard output. Throws a PmdError when it fails or takes longer than `ms`.
 */
export async function runToEnd(
  name: string,
  command: readonly string[],
  ms: number,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = new Child({ name, command, env, maxRunMs: ms });
  if (!(await child.ended(ms))) {
    await child.stop();
    throw child.failure(`took longer than ${ms / 1000} s`);
  }
  if (child.exit !== 0) throw child.failure(`failed (${child.exit})`);
  return child.output;
}
