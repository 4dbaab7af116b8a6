// SPDX-License-Identifier: BSD-3-Clause
// What is written replaces what was there, or leaves it as it was.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodeArguments } from '../../test/support/program.ts';
import { writeWhole } from './whole-file.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'whole-'));
  file = join(folder, 'a');
});
afterEach(() => rmSync(folder, { recursive: true }));

const text = (name: string) => readFileSync(join(folder, name), 'utf8');

it('regression: a result was lost to the next one, for which there was no room', () => {
  writeFileSync(file, 'an earlier result');
  // A limit of the file's size stands for a full disk: the write begins, and does not end.
  const program = nodeArguments('test/support/write-megabyte.ts').map((word) => `'${word}'`);
  const command = `ulimit -f 64; exec '${process.execPath}' ${program.join(' ')} '${file}'`;
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', timeout: 60_000 });
  expect([status, stderr]).toEqual([1, `Failed to write ${file}: EFBIG: file too large, write\n`]);
  expect([text('a'), readdirSync(folder)]).toEqual(['an earlier result', ['a']]);
});

it('leaves permissions, and a link to the file', () => {
  writeFileSync(file, 'old');
  chmodSync(file, 0o640);
  symlinkSync('a', join(folder, 'link'));
  writeWhole(join(folder, 'link'), 'new');
  expect([text('a'), statSync(file).mode & 0o777]).toEqual(['new', 0o640]);
  expect(readdirSync(folder)).toEqual(['a', 'link']);
});

it('writes to a file that is open here, as /dev/stdout may be, and replaces it not', () => {
  const fd = openSync(file, 'w+');
  writeWhole(`/proc/self/fd/${fd}`, 'text');
  expect([text('a'), statSync(file).ino]).toEqual(['text', statSync(`/proc/self/fd/${fd}`).ino]);
  closeSync(fd);
});

it('leaves no draft where it fails, and names the file', () => {
  mkdirSync(file);
  expect(() => writeWhole(file, 'text')).toThrow(`Failed to write ${file}: it is a directory, not a file`);
  expect(readdirSync(folder)).toEqual(['a']);
  expect(() => writeWhole('/nowhere/a', 'text')).toThrow(/^Failed to write \/nowhere\/a: ENOENT/);
});

it('writes to a device, whose faults are named', () => {
  writeWhole('/dev/null', 'gone');
  expect(() => writeWhole('/dev/full', 'text')).toThrow(/^Failed to write \/dev\/full: ENOSPC/);
  expect(statSync('/dev/full').isCharacterDevice()).toBe(true);
});
