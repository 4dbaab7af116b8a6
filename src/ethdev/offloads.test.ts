// SPDX-License-Identifier: BSD-3-Clause
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MBUF_F_NEEDS_CSUM } from './mempool.ts';
import { ALL_OFFLOADS, consistentOffloads, describeOffloads } from './offloads.ts';

describe('offloads', () => {
  property.prop([fc.nat(63)])('of any set are made consistent by removing bits only', (set) => {
    const made = consistentOffloads(set);
    expect(made & ~set).toBe(0);
    expect(consistentOffloads(made)).toBe(made);
    if (made !== 0) expect(made & MBUF_F_NEEDS_CSUM).not.toBe(0);
  });

  it('have names', () => {
    expect([describeOffloads(0), describeOffloads(ALL_OFFLOADS)]).toEqual(['none', 'csum tso4 tso6 ecn uso']);
  });
});
