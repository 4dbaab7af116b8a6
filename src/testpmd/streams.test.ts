// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { assignStreams, makeStreams, type Stream } from './streams.ts';

const show = (streams: readonly Stream[]) =>
  streams.map((s) => `${s.rxPort}/${s.rxQueue}>${s.txPort}/${s.txQueue}`).join(' ');

describe('streams', () => {
  it('pair ports, an odd last one with itself', () => {
    expect(show(makeStreams([0, 1], 1, 'paired'))).toBe('0/0>1/0 1/0>0/0');
    expect(show(makeStreams([0, 2, 5], 1, 'paired'))).toBe('0/0>2/0 2/0>0/0 5/0>5/0');
  });

  it('are chained or looped by topology', () => {
    expect(show(makeStreams([0, 1, 2], 1, 'chained'))).toBe('0/0>1/0 1/0>2/0 2/0>0/0');
    expect(show(makeStreams([0, 1], 1, 'loop'))).toBe('0/0>0/0 1/0>1/0');
  });

  it('are ordered queue by queue', () => {
    expect(show(makeStreams([0, 1], 2, 'paired'))).toBe('0/0>1/0 1/0>0/0 0/1>1/1 1/1>0/1');
  });

  it('use every TX queue in exactly one stream', () => {
    for (const topology of ['paired', 'chained', 'loop'] as const) {
      const tx = makeStreams([3, 4, 7], 3, topology).map((s) => `${s.txPort}/${s.txQueue}`);
      expect(new Set(tx).size).toBe(9);
    }
  });

  it('are distributed over lcores, the last ones taking the remainder', () => {
    const counts = (streams: number, lcores: number[]) =>
      assignStreams(makeStreams([0], streams, 'loop'), lcores).map((l) => `${l.lcore}:${l.streams.length}`);
    expect(counts(2, [1, 2])).toEqual(['1:1', '2:1']);
    expect(counts(5, [1, 2, 3])).toEqual(['1:1', '2:2', '3:2']);
    expect(counts(1, [1, 2])).toEqual(['1:1']);
    expect(assignStreams([], [1])).toEqual([]);
  });
});
