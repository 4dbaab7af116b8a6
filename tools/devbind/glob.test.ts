// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { parseGlob } from './glob.ts';

it.each([
  ['0000:00:0*.0', '0000:00:03.0', true],
  ['*', '', true],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['*b*b', 'abab', true],
  ['*b*b', 'aba', false],
  ['[0-3]x', '2x', true],
  ['[0-3]x', '4x', false],
  ['[!0-3]x', '4x', true],
  ['[]]', ']', true],
  ['a.c', 'abc', false],
])('%s and %s: %s', (pattern, text, expected) => {
  expect(parseGlob(pattern).matches(text)).toBe(expected);
});

it('regression: a pattern that is not a valid regular expression does not throw', () => {
  expect(parseGlob('[').matches('[')).toBe(true);
  expect(parseGlob('[z-a]').matches('m')).toBe(false);
});

it('regression: many stars that match nothing finish at once', () => {
  expect(parseGlob(`${'*'.repeat(10_000)}z`).matches('0000:00:03.0')).toBe(false);
  expect(parseGlob(`${'*0'.repeat(1000)}z`).matches('0'.repeat(5000))).toBe(false);
});
