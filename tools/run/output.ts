// SPDX-License-Identifier: BSD-3-Clause
// What becomes of a program when nobody reads its output any more, as behind `| head`: never an exception.

/** Calls `then` each time that writing to stdout fails; what goes to a stderr without reader is lost. */
export function onOutputEnd(then: () => void = () => {}): void {
  process.stdout.on('error', then);
  process.stderr.on('error', () => {});
}
