// SPDX-License-Identifier: BSD-3-Clause
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { features } from '../virtio/features.ts';
import { MBUF_F_ECN, MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO } from './mempool.ts';
import { ALL_OFFLOADS, consistentOffloads, describeOffloads, offloadsTaken } from './offloads.ts';

describe('offloads', () => {
  it.each([
    [[], 0],
    [[1], MBUF_F_NEEDS_CSUM],
    [[0, 11, 12, 13, 56], 0],
    [[1, 7, 8], MBUF_F_NEEDS_CSUM | MBUF_F_TSO4 | MBUF_F_TSO6],
    [[1, 8, 9], MBUF_F_NEEDS_CSUM | MBUF_F_TSO6 | MBUF_F_ECN],
    [[1, 9], MBUF_F_NEEDS_CSUM],
    [[7, 8, 9, 54, 55], 0],
    [[1, 54], MBUF_F_NEEDS_CSUM],
    [[1, 54, 55], MBUF_F_NEEDS_CSUM | MBUF_F_USO],
  ])('of a peer with the features %j', (bits, taken) => {
    expect(offloadsTaken(features(...bits))).toBe(taken);
  });

  property.prop([fc.nat(63)])('of any set are made consistent, and only fewer', (set) => {
    const made = consistentOffloads(set);
    expect(made & ~set).toBe(0);
    expect(consistentOffloads(made)).toBe(made);
    if (made !== 0) expect(made & MBUF_F_NEEDS_CSUM).not.toBe(0);
  });

  it('have names', () => {
    expect([describeOffloads(0), describeOffloads(ALL_OFFLOADS)]).toEqual(['none', 'csum tso4 tso6 ecn uso']);
  });
});
