// SPDX-License-Identifier: BSD-3-Clause
// How much memory the machine has, and how much this process may use: its control groups may limit it
// further. A process that exceeds the limit is killed, so large sizes, and sizes chosen by others, are
// compared with it first. `root` stands for /, so that tests can bring a tree of their own.
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { HUGE_PAGE } from './alignment.ts';
import { formatByteSize } from './byte-size.ts';
import { PmdError } from './errors.ts';

/** Bytes of memory, swap included. */
export function machineBytes(root = '/'): number {
  return meminfo(root, 'MemTotal') + meminfo(root, 'SwapTotal');
}

/**
 * Bytes that this process may use: the machine's memory, or the lowest limit of the memory control groups it
 * is in.
 */
export function processBytes(root = '/'): number {
  return Math.min(meminfo(root, 'MemTotal'), ...controlGroupLimits(root, MEMORY));
}

/** Throws ENOMEM, naming `what`, if `bytes` exceed what this process may use: touching them would kill it. */
export function requireMemory(bytes: number, what: string): void {
  const may = processBytes();
  if (bytes <= may) return;
  throw new PmdError(
    'ENOMEM',
    `Failed to allocate ${what}: this process may use ${formatByteSize(may)} of memory in total`,
  );
}

/** Bytes of 2 MiB hugepages that this process may use: the free ones, or what its control groups allow. */
export function processHugepageBytes(root = '/'): number {
  const free =
    meminfo(root, 'Hugepagesize') === HUGE_PAGE ? meminfoValue(root, 'HugePages_Free') * HUGE_PAGE : 0;
  return Math.min(free, ...controlGroupLimits(root, HUGEPAGES));
}

const meminfo = (root: string, name: string): number => 1024 * meminfoValue(root, name);

/** A value of /proc/meminfo: KiB, or a count. */
function meminfoValue(root: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(read(root, 'proc/meminfo'))?.[1] ?? 0);
}

/** A limit of control groups, and the file that has it: in v2, and in v1 under the controller. */
interface Limit {
  readonly controller: string;
  readonly v2: string;
  readonly v1: string;
}

const MEMORY: Limit = { controller: 'memory', v2: 'memory.max', v1: 'memory.limit_in_bytes' };
const HUGEPAGES: Limit = { controller: 'hugetlb', v2: 'hugetlb.2MB.max', v1: 'hugetlb.2MB.limit_in_bytes' };

/** A control group hierarchy: cgroup v2, or that of a v1 controller. */
interface Hierarchy {
  /** The mount point, and the group that is visible there as its root. */
  readonly mount: string;
  readonly shows: string;
  /** The group of this process. */
  readonly group: string;
  readonly file: string;
}

function controlGroupLimits(root: string, limit: Limit): number[] {
  return hierarchies(root, limit).flatMap((hierarchy) =>
    folders(hierarchy).flatMap((folder) => {
      const text = read(root, join(folder, hierarchy.file)).trim();
      // "max" means unlimited; v1 has a number beyond any memory instead.
      return /^\d+$/.test(text) ? [Number(text)] : [];
    }),
  );
}

function hierarchies(root: string, { controller, v1, v2 }: Limit): Hierarchy[] {
  const groups = read(root, 'proc/self/cgroup').split('\n');
  return mounts(root).flatMap(({ mount, shows, type, options }) => {
    const unified = type === 'cgroup2';
    if (!unified && !(type === 'cgroup' && options.includes(controller))) return [];
    // "0::/group" is that of v2, "4:memory:/group" that of a v1 controller (cgroups(7)).
    const line = groups
      .map((entry) => entry.split(':'))
      .find(([, controllers = '']) =>
        unified ? controllers === '' : controllers.split(',').includes(controller),
      );
    const group = line?.slice(2).join(':');
    if (!group) return [];
    return [{ mount, shows, group, file: unified ? v2 : v1 }];
  });
}

/** proc(5): "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue". */
function mounts(root: string): { mount: string; shows: string; type: string; options: string[] }[] {
  return read(root, 'proc/self/mountinfo')
    .split('\n')
    .flatMap((line) => {
      const [before = '', after] = line.split(' - ');
      if (after === undefined) return [];
      const [type = '', , options = ''] = after.split(' ');
      const fields = before.split(' ');
      return [{ shows: fields[3] ?? '/', mount: fields[4] ?? '/', type, options: options.split(',') }];
    });
}

/**
 * The folders of the group and its ancestors. In a container only its own group may be mounted, while its
 * name is that of the outside.
 */
function folders({ mount, shows, group }: Hierarchy): string[] {
  const below = relative(shows, group);
  const found: string[] = [];
  for (let at = below.startsWith('..') ? '' : below; ; at = dirname(at)) {
    found.push(join(mount, at));
    if (at === '' || at === '.') return found;
  }
}

function read(root: string, path: string): string {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return '';
  }
}
