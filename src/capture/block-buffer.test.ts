// SPDX-License-Identifier: BSD-3-Clause
// A file that is being written is one writer's.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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

/** Writes in a process that may not make files larger than this many blocks of 512 bytes. */
function writeWithin(blocks: number, bytes: number): void {
  const module = new URL('./block-buffer.ts', import.meta.url).href;
  const code = `import { FileSink } from ${JSON.stringify(module)};
    process.on('SIGXFSZ', () => {});
    const sink = new FileSink(${JSON.stringify(path)});
    try { sink.write(Buffer.alloc(${bytes}), ${bytes}); } catch {}
    sink.close();`;
  const command = [process.execPath, '--import', import.meta.resolve('tsx'), '--input-type=module'];
  const args = ['-c', `ulimit -f ${blocks}; exec "$@"`, 'sh', ...command, '-e', code];
  const { status, stderr } = spawnSync('sh', args, { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
}

it('regression: a file of which nothing could be written was left, empty', () => {
  writeWithin(0, 10);
  expect(existsSync(path)).toBe(false);
  // What is there is not lost, however little, nor what was there.
  writeWithin(1, 5000);
  expect(readFileSync(path).length).toBe(512);
  writeFileSync(path, 'before');
  writeWithin(0, 10);
  expect(existsSync(path)).toBe(true);
  symlinkSync('b', join(folder, 'a2'));
  path = join(folder, 'a2');
  writeWithin(0, 10);
  expect(readdirSync(folder).sort()).toEqual(['a', 'a2']);
});
