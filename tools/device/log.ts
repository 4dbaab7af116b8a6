// SPDX-License-Identifier: BSD-3-Clause
// One line an event, on whatever the caller writes it to.

export interface Log {
  /** Something a user should know. */
  event(message: string): void;
  /** Every message of both protocols, for -v. */
  trace(message: string): void;
}

/** A peer chooses some of the words: no control characters, no second line. */
export function logTo(write: (line: string) => void, verbose: boolean): Log {
  const line = (message: string) => write(message.replace(/[^\x20-\x7e]/g, '?'));
  return { event: line, trace: verbose ? line : () => {} };
}
