// SPDX-License-Identifier: BSD-3-Clause
// A memory file that, unlike our memfds, may change its size: an unnamed file on tmpfs.
import { ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** The caller closes it. */
export function plainMemory(bytes: number): number {
  const folder = mkdtempSync('/dev/shm/vpci-memory-');
  try {
    const fd = openSync(join(folder, 'memory'), 'w+');
    ftruncateSync(fd, bytes);
    return fd;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
