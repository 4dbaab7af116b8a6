// SPDX-License-Identifier: BSD-3-Clause
// A file that is being written is one writer's.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FileSink } from './block-buffer.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sink-'));
  path = join(folder, 'a');
});
afterEach(() => rmSync(folder, { recursive: true }));

it('regression: a file that is being written is refused, and left as it is', () => {
  const first = new FileSink(path);
  first.write(Buffer.from('whole'), 5);
  const refused = {
    code: 'EBUSY',
    message: expect.stringContaining(`${path}: another process is writing it`),
  };
  expect(() => new FileSink(path)).toThrow(expect.objectContaining(refused));
  first.close();
  expect(readFileSync(path, 'utf8')).toBe('whole');
  new FileSink(path).close();
  expect(readFileSync(path, 'utf8')).toBe('');
});

it('a device may be written by many', () => {
  const sinks = [new FileSink('/dev/null'), new FileSink('/dev/null')];
  for (const sink of sinks) sink.close();
});
