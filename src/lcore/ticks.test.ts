// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { native } from '../native.ts';
import { ticksOf } from './ticks.ts';

it('a second of microseconds has as many ticks as the counter makes in it', () => {
  expect(ticksOf(1e6)).toBe(native.tscHz());
  expect(ticksOf(3, 2.5e9)).toBe(7500);
  expect(ticksOf(0.5, 1e6)).toBe(0.5);
});
