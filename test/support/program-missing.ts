// SPDX-License-Identifier: BSD-3-Clause
// Tests that need a program which not every machine has: skipped with a reason, but failing in CI.
import { findProgram } from '../../tools/run/programs.ts';
import { inCi } from './dpdk.ts';

/**
 * Why the tests of `what` are skipped: false if `program` is installed, and in CI, where a missing one is a
 * failure. Use: `it.skipIf(programMissing('clang++', 'clang', 'fuzzers'))('…', …)`.
 */
export function programMissing(program: string, debianPackages: string, what: string): string | false {
  if (findProgram(program) || inCi()) return false;
  const reason = `${program} is not installed (Debian: apt-get install ${debianPackages})`;
  console.warn(`The ${what} are skipped: ${reason}`);
  return reason;
}
