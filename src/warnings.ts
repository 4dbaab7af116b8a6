// SPDX-License-Identifier: BSD-3-Clause
// What a user should know although the call succeeds. A library does not write to its application's stderr:
// warnings are Node's ('warning' of process, which prints them unless told otherwise). A program may take
// them instead, and an lcore hands them to its launcher, since a poll loop never returns to its event loop.
import type { VpciCode } from './errors.ts';

export interface PmdWarning {
  readonly code: VpciCode;
  /** One line. */
  readonly message: string;
}

let sink = ({ code, message }: PmdWarning): void => {
  process.emitWarning(message, { type: 'VhostPciWarning', code });
};
const given = new Set<string>();

/** Where this thread's warnings go from now on; called at once, in the middle of whatever raises them. */
export function setWarningSink(to: (warning: PmdWarning) => void): void {
  sink = to;
}

export function warn(warning: PmdWarning): void {
  sink(warning);
}

/** Unless this thread has already given a warning with the same message. */
export function warnOnce(warning: PmdWarning): void {
  if (given.has(warning.message)) return;
  given.add(warning.message);
  sink(warning);
}
