// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { mayBeOff } from './rates.ts';

const round = (share: number, ...disturbances: string[]) => ({
  ...{ disturbances, stalls: { count: 1, longestUs: 8000, share } },
});

it('regression: a loss of 8 ms that no figure shows marks no rate', () => {
  expect(mayBeOff(round(0.008, 'a loss'), 0)).toBe(false);
});

it('a disturbed rate is marked where it is off, or where more than one gap of a hundred may be', () => {
  expect(mayBeOff(round(0.008, 'a loss'), 0.002)).toBe(true);
  expect(mayBeOff(round(0.01, 'a loss'), 0)).toBe(true);
  expect(mayBeOff(round(0), 0.5)).toBe(false);
});
