// SPDX-License-Identifier: BSD-3-Clause
// Which files may be somebody's memory. A page that the file system has to fetch from elsewhere (FUSE, a network, a disk that is
// gone) may never come, and whoever touches it sleeps until it does, kill or no kill. So memory is taken from file systems
// whose pages this kernel makes by itself, and from others only when the user says so.
import { requireArray, requireString } from '../arguments.ts';
import { native } from '../native.ts';

const SAFE = ['tmpfs', 'hugetlbfs'] as const;
const allowed = new Set<string>(SAFE);

/** Takes memory on these file systems too, by their names in /proc/mounts ("ext4"; "fuse" stands for all of FUSE), in this process. */
export function allowMemoryFileSystems(names: readonly string[]): void {
  requireArray('allowMemoryFileSystems()', 'names', names, 'names of file systems');
  for (const name of names) requireString('allowMemoryFileSystems()', 'each of names', name);
  for (const name of names) allowed.add(name);
}

/** True when its pages cannot hold whoever touches them. */
export const isSafeMemory = (fd: number): boolean =>
  (SAFE as readonly string[]).includes(native.fileSystem(fd));

/**
 * What is wrong with a file as memory, with the remedy; null when it may be taken. To be asked before anything else is, since even
 * fstat(2) may hang.
 */
export function memoryFileFault(fd: number): string | null {
  const name = native.fileSystem(fd);
  if (allowed.has(name) || allowed.has(name.replace(/\..*/, ''))) return null;
  const kind = name === '' ? 'an unknown file system' : name;
  const remedy = 'use a memfd, or a file on tmpfs or hugetlbfs';
  const option = name === '' ? '' : `, or --allow-memory-fs ${name} if you trust it`;
  return `a file on ${kind}, whose pages may never come: ${remedy}${option}`;
}

/** "ext4,xfs" as names. Null when it is no such list. */
export function parseFileSystems(text: string): string[] | null {
  const names = text.split(',').map((name) => name.trim());
  return names.every((name) => /^[a-z0-9_.-]+$/i.test(name)) ? names : null;
}
