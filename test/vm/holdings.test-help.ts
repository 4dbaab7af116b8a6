// SPDX-License-Identifier: BSD-3-Clause
// The descriptors and shared mappings of the PMD in a guest.
import type { Machine } from '../../tools/vm/machine.ts';
import { type Holdings, SHARED } from '../support/holdings.ts';
import { PMD_PROCESS } from './rig.test-help.ts';

/** The holdings of the PMD in VM1. */
export async function guestHoldings(guest: Machine): Promise<Holdings> {
  const counts = await guest.run(
    `cd /proc/$(pgrep -o ${PMD_PROCESS}) && ls fd | wc -l && grep -cE '${SHARED}' maps || [ $? = 1 ]`,
  );
  const [descriptors = 0, mappings = 0] = counts.trim().split('\n').map(Number);
  return { descriptors, mappings };
}
