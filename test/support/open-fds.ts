// SPDX-License-Identifier: BSD-3-Clause
// Descriptors of this process, so that a test can check for leaks.
import { readdirSync } from 'node:fs';

/** Number of open descriptors. */
export const openFds = (): number => readdirSync('/proc/self/fd').length;
