// SPDX-License-Identifier: BSD-3-Clause
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ERRORS_PAGE, errorsPage } from '../tools/docs/errors.ts';
import { ERROR_CODES, failedTo, PmdError } from './errors.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const codes = Object.values(ERROR_CODES).flatMap((theme) => Object.keys(theme));
/** Environment variables of the VM rig. */
const NO_CODES = ['VPCI_RIG_ACCEL', 'VPCI_RIG_MIRROR'];

const sources = ['src', 'tools', 'addon']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  )
  .filter((file) => /\.(ts|cc|h)$/.test(file) && !/\.test(-help)?\.ts$/.test(file))
  .map((file) => readFileSync(join(root, file), 'utf8'));

const words = (pattern: RegExp): Set<string> =>
  new Set(sources.flatMap((text) => [...text.matchAll(pattern)].map(([, code = '']) => code)));

it('regression: a path that the action names is not named again', () => {
  const cause = (() => {
    try {
      readFileSync('/nowhere/x');
    } catch (error) {
      return error;
    }
  })();
  expect(failedTo('read /nowhere/x', cause).message).toBe(
    'Failed to read /nowhere/x: ENOENT: no such file or directory',
  );
  expect(failedTo('start', cause).message).toBe(
    "Failed to start: ENOENT: no such file or directory, open '/nowhere/x'",
  );
});

it('regression: an error message is one line of limited length, whatever names it contains', () => {
  expect(new PmdError('VPCI_NO_DRIVER', "no driver 'a\nb\u2028\x1b[2Jc'").message).toBe(
    "no driver 'a b [2Jc'",
  );
  const { message } = new PmdError('EIO', 'x'.repeat(100_000));
  expect([message.length, message.endsWith('x…')]).toEqual([1000, true]);
});

it('an error keeps the code of its cause, even if the cause is not an Error', () => {
  const missing = Object.assign(new Error('no such file'), { code: 'ENOENT' });
  expect(failedTo('open x', missing)).toMatchObject({
    code: 'ENOENT',
    message: 'Failed to open x: no such file',
  });
  expect(failedTo('open x', new PmdError('VPCI_CLOSED', 'closed'))).toMatchObject({ code: 'VPCI_CLOSED' });
  expect(failedTo('open x', undefined)).toMatchObject({ code: 'VPCI_INTERNAL' });
});

describe('error codes', () => {
  it('are those of the table or of the system, enforced by the compiler', () => {
    // @ts-expect-error: a code that is not in the table.
    expect(new PmdError('VPCI_NO_SUCH_CODE', '').code).toBe('VPCI_NO_SUCH_CODE');
    expect(new PmdError('EBUSY', '').code).toBe('EBUSY');
  });

  it('appear in the table exactly once if the code names them', () => {
    expect(codes.filter((code, i) => codes.indexOf(code) < i)).toEqual([]);
    const named = [...words(/\b(VPCI_[A-Z_]+[A-Z])\b/g)].filter((code) => !NO_CODES.includes(code));
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter((code) => !codes.includes(code))).toEqual([]);
  });

  it('are thrown somewhere if they are in the table', () => {
    // Comparisons do not count: `code === 'VPCI_X'`.
    const thrown = words(/(?<![=!]==? )'(VPCI_[A-Z_]+)'/g);
    expect(codes.filter((code) => !thrown.has(code))).toEqual([]);
  });

  it('in docs/errors.md are those of the table (npm run docs)', () => {
    expect(readFileSync(ERRORS_PAGE, 'utf8')).toBe(errorsPage());
  });
});
