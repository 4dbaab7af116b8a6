// SPDX-License-Identifier: BSD-3-Clause
// Splits a stream into lines of bounded length. Nothing is read while the consumer is processing a line.

/** Yields null for a line longer than `maxLength` characters, which is discarded. */
export async function* readLines(
  input: AsyncIterable<Buffer>,
  maxLength: number,
): AsyncGenerator<string | null> {
  const decoder = new TextDecoder();
  let rest = '';
  let tooLong = false;
  for await (const part of input) {
    const pieces = decoder.decode(part, { stream: true }).split('\n');
    for (const [i, piece] of pieces.entries()) {
      if (i > 0) {
        yield tooLong ? null : rest;
        rest = '';
        tooLong = false;
      }
      tooLong ||= rest.length + piece.length > maxLength;
      rest = tooLong ? '' : rest + piece;
    }
  }
  if (tooLong || rest !== '') yield tooLong ? null : rest;
}
