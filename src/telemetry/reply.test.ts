// SPDX-License-Identifier: BSD-3-Clause
import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import type { Json } from './commands.ts';
import { keyed, leadingNumber } from './parameters.ts';
import { replyText } from './reply.ts';

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;

describe('a reply', () => {
  test.prop([fc.string({ maxLength: 56 }), json, fc.integer({ min: 400, max: 2000 })])(
    'is valid JSON of at most so many bytes, whatever it says',
    (key, value, most) => {
      const text = replyText(key, value, most);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(most);
      expect(Object.keys(JSON.parse(text))).toEqual([key]);
    },
  );

  test.prop([fc.string(), json])('says all of it where there is room', (key, value) => {
    expect(JSON.parse(replyText(key, value, 1e6))).toEqual(JSON.parse(JSON.stringify({ [key]: value })));
  });

  it('keeps numbers of 64 bits', () => {
    expect(replyText('/a', { b: 2n ** 64n - 1n })).toBe('{"/a":{"b":18446744073709551615}}');
  });
});

describe('a parameter', () => {
  it.each([
    ['1', 1, ''],
    ['01', 1, ''],
    ['0', 0, ''],
    ['010x', 8, 'x'],
    ['0x1f,2', 31, ',2'],
    ['1junk', 1, 'junk'],
  ])('%s is a number as strtoul has it', (text, value, rest) => {
    expect(leadingNumber(text)).toEqual({ value, rest });
  });

  it.each([undefined, '', 'x', '-1', ' 1'])('%s is none', (text) => {
    expect(leadingNumber(text)).toBeUndefined();
  });

  it('has a key', () => {
    expect(keyed(',hide_zero=true', 'hide_zero')).toBe('true');
    expect(keyed(',foo', 'hide_zero')).toBeUndefined();
  });
});
