// SPDX-License-Identifier: BSD-3-Clause
// What becomes of a program when nobody reads its output: it goes on, and once the reader is gone, as behind `| head`, it is told.
import { standardOutput } from '../../src/output/text-writer.ts';

/** Calls `then` each time that the reader of stdout is found gone; what goes to a stderr without reader is lost. */
export function onOutputEnd(then: () => void = () => {}): void {
  standardOutput().stdout.onReaderGone(then);
}

/** A line of results. Neither this nor the next one waits for a reader. */
export const print = (line: string): void => standardOutput().stdout.line(line);

/** A line about the run. */
export const tell = (line: string): void => standardOutput().stderr.line(line);

/** Resolves once whoever reads stdout has everything, or is gone. */
export const printed = (): Promise<void> => standardOutput().stdout.settled();
