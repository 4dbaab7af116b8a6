// SPDX-License-Identifier: BSD-3-Clause
// What the program is to do, by its options.
import type { Options } from './options.ts';

/** Whether a rate is to be found instead of sent. */
export const searches = ({ ndr, pdr, rfc2544 }: Options): boolean =>
  ndr === true || (pdr ?? rfc2544) !== undefined;

/** Whether this is the far end. */
export const reflects = ({ reflect, pong }: Options): boolean => (reflect ?? pong) === true;
