// SPDX-License-Identifier: BSD-3-Clause
// What a process holds of descriptors and of shared memory, so that a test can see a leak.
import { readdirSync, readFileSync } from 'node:fs';

export interface Holdings {
  readonly descriptors: number;
  /** Mappings of memory that has a file or a device behind it, programs and libraries left out. */
  readonly mappings: number;
}

/** Lines of /proc/PID/maps, for a regular expression of grep -E as well. Not `/[aio] (deleted)`: a thread keeps that from its first signal on. */
export const SHARED = '/memfd:|[0-9A-Za-z_] [(]deleted[)]| /dev/|anon_inode|/resource[0-9]';

/** Of a process of this machine. */
export function holdings(pid: number): Holdings {
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    mappings: maps.filter((line) => new RegExp(SHARED).test(line)).length,
  };
}
