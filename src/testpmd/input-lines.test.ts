// SPDX-License-Identifier: BSD-3-Clause
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readLines } from './input-lines.ts';

async function lines(...parts: string[]): Promise<(string | null)[]> {
  const input = Readable.from(parts.map((part) => Buffer.from(part, 'latin1')));
  const out: (string | null)[] = [];
  for await (const line of readLines(input, 5)) out.push(line);
  return out;
}

describe('lines of input', () => {
  it('are assembled from arbitrary chunks, the last one without a newline', async () => {
    expect(await lines('st', 'art\nst', 'op', '\n', '\nend')).toEqual(['start', 'stop', '', 'end']);
    expect(await lines('\xc3', '\xa4\n')).toEqual(['ä']);
    expect(await lines()).toEqual([]);
  });

  it('that are too long are reported and discarded', async () => {
    expect(await lines('123456', '7890', 'x\nstop\n12345', '6')).toEqual([null, 'stop', null]);
  });

  it('are not read ahead of the consumer', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        given++;
        yield Buffer.from('a\nb\n');
      }
    }
    const reader = readLines(endless(), 5);
    for (const expected of ['a', 'b', 'a']) expect((await reader.next()).value).toBe(expected);
    expect(given).toBe(2);
    await reader.return(null);
  });
});
