// SPDX-License-Identifier: BSD-3-Clause
// Page sizes of this machine, and rounding up to a multiple.

/** Bytes. */
export const PAGE = 4096;
export const HUGE_PAGE = 2 << 20;

/** Rounds `value` up to a multiple of `to`. */
export const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;
