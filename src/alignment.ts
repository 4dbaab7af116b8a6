// SPDX-License-Identifier: BSD-3-Clause
// Pages of this machine (x86-64), and sizes rounded up to a multiple.

/** Bytes. */
export const PAGE = 4096;
export const HUGE_PAGE = 2 << 20;

/** The least multiple of `to` that is not below `value`. */
export const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;
