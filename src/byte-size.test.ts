// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { formatByteSize, parseByteSize } from './byte-size.ts';

describe('a memory size', () => {
  it.each([
    ['4096', 4096],
    ['0x1000', 4096],
    ['512M', 512 * 2 ** 20],
    ['8g', 8 * 2 ** 30],
    ['1T', 2 ** 40],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  it.each(['', 'M', '-1', '1.5G', '8GB', '8 G', '9007199254740992', '9007199254740991K'])(
    "'%s' is not a size",
    (text) => {
      expect(parseByteSize(text)).toBeNull();
    },
  );

  it.each([
    [0, '0'],
    [5000, '5000'],
    [3 * 2 ** 29, '1536M'],
    [2 ** 40, '1T'],
    [2 ** 40 + 1, '1025G'],
  ])('%d bytes are written %s', (bytes, text) => {
    expect(formatByteSize(bytes)).toBe(text);
    expect(parseByteSize(text)).toBeGreaterThanOrEqual(bytes);
  });
});
