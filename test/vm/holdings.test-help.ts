// SPDX-License-Identifier: BSD-3-Clause
// What a process holds of descriptors and of shared memory, so that a test can see a leak.
import { readdirSync, readFileSync } from 'node:fs';
import type { Machine } from '../../tools/vm/machine.ts';

export interface Holdings {
  readonly descriptors: number;
  /** Mappings of memory that has a file or a device behind it, programs and libraries left out. */
  readonly mappings: number;
}

const SHARED = '/memfd:|[(]deleted[)]| /dev/|anon_inode|/resource[0-9]';

/** Of a process of this machine. */
export function holdings(pid: number): Holdings {
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    mappings: maps.filter((line) => new RegExp(SHARED).test(line)).length,
  };
}

/** Of the PMD in VM1. */
export async function guestHoldings(guest: Machine): Promise<Holdings> {
  const counts = await guest.run(
    `cd /proc/$(pgrep -o node) && ls fd | wc -l && grep -cE '${SHARED}' maps || [ $? = 1 ]`,
  );
  const [descriptors = 0, mappings = 0] = counts.trim().split('\n').map(Number);
  return { descriptors, mappings };
}
