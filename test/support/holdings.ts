// SPDX-License-Identifier: BSD-3-Clause
// The descriptors and shared mappings of a process, so that a test can detect a leak.
import { readdirSync, readFileSync } from 'node:fs';

export interface Holdings {
  readonly descriptors: number;
  /** Mappings of files or devices, without programs and libraries. */
  readonly mappings: number;
}

/**
 * Matches such lines of /proc/PID/maps; also valid for grep -E. Excludes `/[aio] (deleted)`, which a thread
 * keeps from its first signal on.
 */
export const SHARED = '/memfd:|[0-9A-Za-z_] [(]deleted[)]| /dev/|anon_inode|/resource[0-9]';

/** The holdings of a process on this machine. */
export function holdings(pid: number): Holdings {
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    mappings: maps.filter((line) => new RegExp(SHARED).test(line)).length,
  };
}
