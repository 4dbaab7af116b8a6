// SPDX-License-Identifier: BSD-3-Clause
// Exit statuses of programs. Nothing else is imported here: a program that makes the addon cannot load it.

export const EXIT_USAGE = 2;

/** What ends a program that an error has ended: a wrong option is found only later at times. */
export const exitStatusOf = (error: unknown): number =>
  (error as NodeJS.ErrnoException).code === 'VPCI_USAGE' ? EXIT_USAGE : 1;
