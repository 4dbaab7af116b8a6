// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { parseCoremask, parseLcores } from './lcore-list.ts';

const text = (list: string) => parseLcores(list).map((l) => `${l.id}@${l.cpus.join('+')}`);

describe('lcore lists', () => {
  it('accept numbers and ranges', () => {
    expect(text('0-1')).toEqual(['0@0', '1@1']);
    expect(text('0,2-3')).toEqual(['0@0', '2@2', '3@3']);
    expect(text('3,1')).toEqual(['1@1', '3@3']);
  });

  it('assign lcores to CPUs', () => {
    expect(text('0@1,1@1')).toEqual(['0@1', '1@1']);
    expect(text('(0-1)@2,3@(4,5)')).toEqual(['0@2', '1@2', '3@4+5']);
    expect(text('(0,1)')).toEqual(['0@0+1', '1@0+1']);
  });

  it.each([
    ['', "'' is neither a number nor a range"],
    ['1-', "'1-' is neither"],
    ['3-1', "range '3-1' runs backwards"],
    ['1,1', 'lcore 1 is given twice'],
    ['128', '128 is more than 127'],
    ['(0', 'parentheses do not match'],
    ['0)@1', 'parentheses do not match'],
    ['0@1@2', "two '@'"],
    ['0@x', "'x' is neither"],
  ])('refuse %j', (list, cause) => {
    expect(() => parseLcores(list)).toThrow(cause);
  });

  it('accept core masks', () => {
    expect(parseCoremask('0x5').map((l) => l.id)).toEqual([0, 2]);
    expect(parseCoremask('3').map((l) => l.id)).toEqual([0, 1]);
    expect(() => parseCoremask('0')).toThrow('the mask is empty');
    expect(() => parseCoremask('xyz')).toThrow('hexadecimal');
  });
});
