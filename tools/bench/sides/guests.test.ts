// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { beyond } from './guests.ts';

describe('a ring of guests', () => {
  it('joins the second port of each to the first of the next', () => {
    expect([0, 1, 2, 3, 4, 5].map((port) => beyond(port, 6))).toEqual([5, 2, 1, 4, 3, 0]);
    expect([0, 1].map((port) => beyond(port, 2))).toEqual([1, 0]);
  });
});
