// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { PmdError } from './errors.ts';

it('regression: the message of an error is one line with an end, whatever names are in it', () => {
  expect(new PmdError('X', "no driver 'a\nb\u2028\x1b[2Jc'").message).toBe("no driver 'a b [2Jc'");
  const { message } = new PmdError('X', 'x'.repeat(100_000));
  expect([message.length, message.endsWith('x…')]).toEqual([1000, true]);
});
