// SPDX-License-Identifier: BSD-3-Clause
// The first word of a frame's signature: the generator and its trial in the upper bits, the stream in the low
// byte. Numbers begin anew in each trial, so a frame that comes when its trial is over must not be taken for
// one of the next.

/** The low byte of a tag is the stream. */
export const RUN_MASK = 0xffff_ff00 | 0;

/** A generator's tag in its trial of this number. */
export const tagOf = (tag: number, generation: number): number => (tag + (generation << 8)) | 0;
