// SPDX-License-Identifier: BSD-3-Clause
// Which files are acceptable as memory of a peer or device. A page that the file system has to fetch (FUSE, a
// network, a removed disk) may never come, and a thread that touches it sleeps until it does, even if killed.
// Therefore memory is accepted on file systems whose pages this kernel creates itself, and on others only if
// the user allows them.
import { readlinkSync } from 'node:fs';
import { requireArray, requireString } from '../arguments.ts';
import { native } from '../native.ts';

const SAFE = ['tmpfs', 'hugetlbfs'] as const;
const allowed = new Set<string>(SAFE);

/**
 * Accepts memory on these file systems too, in this process. Names are those of /proc/mounts ("ext4"; "fuse"
 * means all FUSE file systems).
 */
export function allowMemoryFileSystems(names: readonly string[]): void {
  requireArray('allowMemoryFileSystems()', 'names', names, 'names of file systems');
  for (const name of names) requireString('allowMemoryFileSystems()', 'each of names', name);
  for (const name of names) allowed.add(name);
}

/** True if a thread that touches its pages cannot hang. */
export const isSafeMemory = (fd: number): boolean =>
  (SAFE as readonly string[]).includes(native.fileSystem(fd));

/**
 * Why a file is not acceptable as memory, with the remedy; null if it is. Call it before any other access,
 * since even fstat(2) may hang.
 */
export function memoryFileFault(fd: number): string | null {
  const name = native.fileSystem(fd);
  if (allowed.has(name) || allowed.has(name.replace(/\..*/, ''))) return null;
  const remedy = 'use a memfd, or a file on tmpfs or hugetlbfs';
  const other = name === '' ? kindOf(fd) : null;
  if (other) return `not a file but ${other}: ${remedy}`;
  const kind = name === '' ? 'an unknown file system' : name;
  const option = name === '' ? '' : `, or --allow-memory-fs ${name} if you trust it`;
  return `a file on ${kind}, whose page faults may block forever: ${remedy}${option}`;
}

/**
 * What a descriptor of no file is; null for a file, or where /proc is not mounted. The kernel answers, and
 * asks no file system.
 */
function kindOf(fd: number): string | null {
  let target: string;
  try {
    target = readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
  const [, kind] = /^(pipe|socket|anon_inode):/.exec(target) ?? [];
  if (kind === undefined) return null;
  return kind === 'anon_inode' ? 'an eventfd or another descriptor without contents' : `a ${kind}`;
}

/** Splits "ext4,xfs" into names; null if `text` is not such a list. */
export function parseFileSystems(text: string): string[] | null {
  const names = text.split(',').map((name) => name.trim());
  return names.every((name) => /^[a-z0-9_.-]+$/i.test(name)) ? names : null;
}
