// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import type { Clock } from './clock.ts';
import { AWAY_US, CpuWatch, FRAME_US, STALL_US } from './cpu-watch.ts';
import { G_AWAY_BEGAN, G_AWAY_ENDED, G_AWAYS, G_LONGEST_STALL, G_STALL_TICKS, G_STALLS } from './layout.ts';

/** A clock whose ticks are microseconds, and that goes on by what it is told. */
function watch() {
  const now = new Float64Array(1);
  let lap = 0;
  const tick = () => {
    now[0] += lap;
    return lap;
  };
  const global = new Float64Array(16);
  const watched = new CpuWatch({ now, tick } as unknown as Clock, global, 1e6);
  const round = (us: number, frames = 0) => {
    lap = us;
    watched.tick(frames);
  };
  return { global, round };
}

it('a round that had nothing to do and took long had lost the CPU', () => {
  const { global, round } = watch();
  for (let i = 0; i < 10; i++) round(AWAY_US - 0.5);
  expect(global[G_AWAYS]).toBe(0);
  round(AWAY_US);
  expect([global[G_AWAYS], global[G_AWAY_BEGAN], global[G_AWAY_ENDED]]).toEqual([1, 25, 28]);
  expect(global[G_STALLS]).toBe(0);
});

it('away twice in a row is away from the first begin to the last end', () => {
  const { global, round } = watch();
  round(1);
  round(STALL_US, 1);
  round(AWAY_US);
  expect([global[G_AWAY_BEGAN], global[G_AWAY_ENDED]]).toEqual([1, 1 + STALL_US + AWAY_US]);
  round(1);
  round(AWAY_US);
  expect(global[G_AWAY_BEGAN]).toBe(2 + STALL_US + AWAY_US);
});

it('frames take time, each for itself, but never that of a stall', () => {
  const { global, round } = watch();
  round(AWAY_US + 2 * FRAME_US - 0.5, 2);
  round(STALL_US - 0.5, 1000);
  expect(global[G_AWAYS]).toBe(0);
  round(AWAY_US + 2 * FRAME_US, 2);
  expect(global[G_AWAYS]).toBe(1);
  round(STALL_US, 1000);
  round(3 * STALL_US);
  expect([global[G_AWAYS], global[G_STALLS]]).toEqual([3, 2]);
  expect([global[G_STALL_TICKS], global[G_LONGEST_STALL]]).toEqual([4 * STALL_US, 3 * STALL_US]);
});
