// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { MBUF_F_ECN, MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO } from '../../ethdev/mempool.ts';
import { features } from '../../virtio/features.ts';
import { offloadsTaken } from './offloads.ts';

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
});
