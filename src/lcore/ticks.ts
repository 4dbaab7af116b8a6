// SPDX-License-Identifier: BSD-3-Clause
// Times of poll loops, which read the time-stamp counter and no other clock.
import { native } from '../native.ts';

/** Ticks of the time-stamp counter in so many microseconds, with a fraction. */
export const ticksOf = (us: number, hz = native.tscHz()): number => (us * hz) / 1e6;
