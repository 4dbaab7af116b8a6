// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { leastDisturbed, type Pair, roundOf, summarize } from './paired-rounds.ts';
import { roundFigures } from './report.ts';

const slice = (mpps: number, share = 1) => ({ mpps, share });
const pair = (before: number, between: number, after = before, share = 1): Pair => [
  slice(before, share),
  slice(between),
  slice(after),
];

describe('a round', () => {
  it('compares adjacent slices, whatever the machine does in between', () => {
    // Half as fast from the second pair on; the two slices of the third pair fall into different spells.
    const round = roundOf([pair(8, 4, 4), pair(4, 2), pair(4, 4)]);
    expect(round.ratio).toBe(2);
    expect([round.a, round.b]).toEqual([16 / 3, 10 / 3]);
  });

  it('is as disturbed as its most disturbed slice', () => {
    expect(
      roundOf([
        [slice(1), slice(1, 0.9), slice(1)],
        [slice(1, 0.95), slice(1), slice(1)],
      ]).share,
    ).toBe(0.9);
  });
});

describe('pairs during which the speed of the machine changed', () => {
  // Measured: far CPUs became near ones within a slice.
  const changed = pair(16.2, 21.7, 46.4);

  it('count only where there are not enough others, even with less of their CPUs', () => {
    expect(leastDisturbed([changed, pair(46, 44, 47, 0.98), pair(47, 44)], 2)).not.toContain(changed);
    expect(leastDisturbed([changed, pair(47, 44)], 2)).toContain(changed);
  });

  it('make a round and its row unsteady', () => {
    const steady = roundOf([pair(47, 44, 45), pair(45, 43, 47)]);
    const unsteady = roundOf([pair(47, 44), changed]);
    expect([steady.steady, unsteady.steady]).toEqual([true, false]);
    const rounds = [steady, unsteady].map((round) => ({ ...round, dpdkVersion: undefined }));
    expect(roundFigures(summarize('io-64', rounds)).disturbed).toBe(true);
    expect(roundFigures(summarize('io-64', rounds.slice(0, 1))).disturbed).toBe(false);
  });
});

describe('a row', () => {
  it('has the medians of the rounds and the spread of their ratios', () => {
    const round = (a: number, b: number, ratio: number, share = 1) => ({
      a,
      b,
      ratio,
      share,
      steady: true,
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
