// SPDX-License-Identifier: BSD-3-Clause
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fileIdentity } from './file-identity.ts';

let folder = '';
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'identity-'));
  mkdirSync(at('a'));
  writeFileSync(at('a/there'), '');
  linkSync(at('a/there'), at('hard'));
  symlinkSync('a', at('b'));
  symlinkSync('a/there', at('soft'));
  symlinkSync('b/new', at('to-new'));
  symlinkSync('to-new', at('to-link'));
  symlinkSync('circle', at('circle'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  ['a/there', 'hard', true],
  ['a/there', 'soft', true],
  ['a/there', 'b/there', true],
  ['a/new', 'b/new', true],
  ['a/new', 'to-new', true],
  ['a/new', 'to-link', true],
  ['a/./new', 'a/new', true],
  ['a/new', 'a/other', false],
  ['new', 'to-new', false],
  ['a/there', 'a/new', false],
  ['circle', 'a/new', false],
  ['a/there/x', 'a/there/y', false],
  [`a/${'x'.repeat(300)}`, 'a/new', false],
])('%s and %s are one file: %s', (one, other, same) => {
  expect(fileIdentity(at(one)) === fileIdentity(at(other))).toBe(same);
});
