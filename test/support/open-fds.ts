// SPDX-License-Identifier: BSD-3-Clause
// Descriptors of this process, so that a test can say that none is left over.
import { readdirSync } from 'node:fs';

/** How many descriptors are open. */
export const openFds = (): number => readdirSync('/proc/self/fd').length;
