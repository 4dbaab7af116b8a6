// SPDX-License-Identifier: BSD-3-Clause
// Finds the file systems and swap that lie on a PCI function: on its disks, on their partitions, and on what
// is built of those (LVM, RAID, encryption). Who takes such a device from the kernel takes the machine down.
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readText } from '../../src/pci/sysfs.ts';
import type { Places } from './places.ts';

/** Of /proc/self/mountinfo. */
interface Mount {
  /** "254:1"; of some file systems (btrfs) not that of a disk. */
  readonly device: string;
  readonly point: string;
  readonly kind: string;
  readonly source: string;
}

const entries = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Octal escapes of blanks and the like. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

export class Storage {
  readonly #places: Places;
  readonly #blocks: string;
  readonly #mounts: readonly Mount[];
  readonly #swaps: ReadonlySet<string>;

  constructor(places: Places) {
    this.#places = places;
    this.#blocks = join(places.sysfs, 'class/block');
    this.#mounts = readText(join(places.procSelf, 'mountinfo'))
      .split('\n')
      .map((line) => line.split(' '))
      .filter((columns) => columns.length > 6)
      .map(mountOf);
    const swaps = readText(join(places.procSelf, '../swaps')).split('\n').slice(1);
    this.#swaps = new Set(swaps.map((line) => basename(unescaped(line.split(/\s/)[0] ?? ''))));
  }

  /** What the function carries: "carries the file system of /home"; null if nothing. */
  carriedBy(address: string): string | null {
    for (const name of this.#disksOf(address)) {
      const use = this.#use(name, new Set());
      if (use !== null) return use;
    }
    return this.#sharedFolder(address);
  }

  /** Disks and partitions whose path in sysfs leads through the function. */
  #disksOf(address: string): string[] {
    return entries(this.#blocks)
      .filter((name) => linkOf(join(this.#blocks, name)).includes(`/${address}/`))
      .map(visible);
  }

  #use(name: string, seen: Set<string>): string | null {
    if (seen.has(name)) return null;
    seen.add(name);
    if (this.#swaps.has(name)) return `carries the swap space ${name}`;
    const point = this.#mountPoint(name);
    if (point !== null) return `carries the file system of ${point}`;
    // Of a disk that came in by another path (NVMe), the partitions are in its own folder.
    const folder = join(this.#blocks, name);
    const above = [
      ...entries(join(folder, 'holders')),
      ...entries(folder).filter((one) => one.startsWith(name)),
    ];
    for (const upper of above) {
      const use = this.#use(upper, seen);
      if (use !== null) return use;
    }
    return null;
  }

  #mountPoint(name: string): string | null {
    const number = readText(join(this.#blocks, name, 'dev')).trim();
    const mapped = readText(join(this.#blocks, name, 'dm/name')).trim();
    const sources = [`/dev/${name}`, ...(mapped === '' ? [] : [`/dev/mapper/${mapped}`])];
    const found = this.#mounts.find(
      ({ device, source }) => (number !== '' && device === number) || sources.includes(source),
    );
    return found?.point ?? this.#btrfs(name);
  }

  /** A file system of several disks is mounted by one of them: the kernel lists them all. */
  #btrfs(name: string): string | null {
    const folder = join(this.#places.sysfs, 'fs/btrfs');
    const found = entries(folder).find((id) => existsSync(join(folder, id, 'devices', name)));
    return found === undefined ? null : `btrfs ${found}`;
  }

  /** A folder of the host, mounted through a virtio function (9p, virtiofs). */
  #sharedFolder(address: string): string | null {
    const folder = join(this.#places.sysfs, 'bus/pci/devices', address);
    for (const name of entries(folder).filter((one) => /^virtio\d+$/.test(one))) {
      const tag = readText(join(folder, name, 'mount_tag'))
        .replace(/\0/g, '')
        .trim();
      const driver = basename(linkOf(join(folder, name, 'driver')));
      const mount = this.#mounts.find(
        ({ kind, source }) =>
          (kind === '9p' && tag !== '' && source === tag) || (kind === 'virtiofs' && driver === 'virtiofs'),
      );
      if (mount) return `carries the file system of ${mount.point}`;
    }
    return null;
  }
}

/** The path of one controller to a disk, nvme0c1n1, is hidden behind the disk, nvme0n1. */
const visible = (name: string): string => name.replace(/^(nvme\d+)c\d+(n\d+)$/, '$1$2');

/** Columns: id parent major:minor root point options [fields] - kind source … */
function mountOf(columns: readonly string[]): Mount {
  const dash = columns.indexOf('-');
  return {
    device: columns[2] ?? '',
    point: unescaped(columns[4] ?? ''),
    kind: columns[dash + 1] ?? '',
    source: unescaped(columns[dash + 2] ?? ''),
  };
}
