// SPDX-License-Identifier: BSD-3-Clause
// PCI functions as shown by the kernel in /sys/bus/pci. Read-only; src/pci/binding.ts writes. The path of
// /sys is a parameter, so that tests can use a tree of their own.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

export const SYSFS = '/sys';

/** A line of the file `resource`. */
export interface PciResource {
  /** Physical address. */
  readonly start: bigint;
  /** Bytes; 0 if the resource is absent. */
  readonly size: number;
  /** IORESOURCE_* of linux/ioport.h. */
  readonly flags: number;
}

export const IORESOURCE_IO = 0x100;
export const IORESOURCE_MEM = 0x200;

export interface SysfsPciDevice {
  /** "0000:00:04.0". */
  readonly address: string;
  /** Its sysfs folder. */
  readonly path: string;
  readonly vendor: number;
  readonly device: number;
  /** Base class, subclass, programming interface: 24 bits. */
  readonly classCode: number;
  /** Name of the driver bound to it; null for none. */
  readonly driver: string | null;
  /** Number of its IOMMU group; null without an IOMMU. */
  readonly iommuGroup: string | null;
  /** -1 if unknown. */
  readonly numaNode: number;
  readonly modalias: string;
  /** BARs 0 to 5. */
  readonly resources: readonly PciResource[];
  /** Names of its network interfaces. */
  readonly interfaces: readonly string[];
}

const BARS = 6;
/** Deeper than any driver nests its interfaces (device/virtio0/net). */
const INTERFACE_DEPTH = 4;

/** All functions, sorted by address. Empty if the machine has no PCI. */
export function listPciDevices(sysfs: string = SYSFS): SysfsPciDevice[] {
  const folder = join(sysfs, 'bus/pci/devices');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((address) => readPciDevice(address, sysfs))
    .filter((device) => device !== null);
}

/** One function by its full address; null if it does not exist. */
export function readPciDevice(address: string, sysfs: string = SYSFS): SysfsPciDevice | null {
  const path = join(sysfs, 'bus/pci/devices', address);
  if (!existsSync(join(path, 'vendor'))) return null;
  const text = (file: string) => readText(join(path, file));
  return {
    address,
    path,
    vendor: Number(text('vendor')),
    device: Number(text('device')),
    classCode: Number(text('class')),
    driver: linkName(join(path, 'driver')),
    iommuGroup: linkName(join(path, 'iommu_group')),
    numaNode: Number(text('numa_node') || '-1'),
    modalias: text('modalias'),
    resources: parseResources(text('resource')),
    interfaces: findInterfaces(path, INTERFACE_DEPTH),
  };
}

/** Addresses of all functions in an IOMMU group. */
export function groupMembers(group: string, sysfs: string = SYSFS): string[] {
  const folder = join(sysfs, 'kernel/iommu_groups', group, 'devices');
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** The trimmed text of a one-line file; "" if it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function linkName(path: string): string | null {
  try {
    return basename(readlinkSync(path));
  } catch {
    return null;
  }
}

function parseResources(text: string): PciResource[] {
  return text
    .split('\n')
    .slice(0, BARS)
    .map((line) => {
      const [start = 0n, end = 0n, flags = 0n] = line.split(/\s+/).filter(Boolean).map(BigInt);
      return { start, size: end > start ? Number(end - start + 1n) : 0, flags: Number(flags) };
    });
}

/** The entries of the first folder named `net`; folders are searched in listing order. */
function findInterfaces(folder: string, depth: number): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  if (entries.some(({ name }) => name === 'net')) return readdirSync(join(folder, 'net'));
  if (depth === 0) return [];
  for (const { name } of entries) {
    const found = findInterfaces(join(folder, name), depth - 1);
    if (found.length > 0) return found;
  }
  return [];
}
