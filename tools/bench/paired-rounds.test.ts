// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { roundOf, summarize } from './paired-rounds.ts';

const slice = (mpps: number, share = 1) => ({ mpps, share });

describe('a round', () => {
  it('compares adjacent slices, whatever the machine does in between', () => {
    // Half as fast from the second pair on; the two slices of the third pair fall into different spells.
    const round = roundOf([
      [slice(8), slice(4)],
      [slice(4), slice(2)],
      [slice(4), slice(4)],
    ]);
    expect(round.ratio).toBe(2);
    expect([round.a, round.b]).toEqual([16 / 3, 10 / 3]);
  });

  it('is as disturbed as its most disturbed slice', () => {
    expect(
      roundOf([
        [slice(1), slice(1, 0.9)],
        [slice(1, 0.95), slice(1)],
      ]).share,
    ).toBe(0.9);
  });
});

describe('a row', () => {
  it('has the medians of the rounds and the spread of their ratios', () => {
    const round = (a: number, b: number, ratio: number, share = 1) => ({
      a,
      b,
      ratio,
      share,
      dpdkVersion: undefined,
    });
    const row = summarize('rx-64', [round(8, 8, 1), round(9, 6, 1.5, 0.96), round(20, 5, 4)]);
    expect(row).toMatchObject({
      case: 'rx-64',
      a: 9,
      b: 6,
      ratio: { median: 1.5, min: 1, max: 4 },
      cpuShare: 0.96,
    });
  });
});
