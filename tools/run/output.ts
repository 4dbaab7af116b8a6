// SPDX-License-Identifier: BSD-3-Clause
// Output that never blocks the program: it keeps running while its reader stalls, and is notified when the
// reader is gone, as with `| head`.
import { standardOutput } from '../../src/output/text-writer.ts';

/**
 * Calls `then` each time stdout turns out to have lost its reader; output to a stderr without a reader is
 * discarded.
 */
export function onOutputEnd(then: () => void = () => {}): void {
  standardOutput().stdout.onReaderGone(then);
}

/** Prints a line of results. Neither this call nor the next one waits for the reader. */
export const print = (line: string): void => standardOutput().stdout.line(line);

/** Prints a line about the run. */
export const tell = (line: string): void => standardOutput().stderr.line(line);

/** Resolves once the reader of stdout has received everything, or is gone. */
export const printed = (): Promise<void> => standardOutput().stdout.settled();
