// SPDX-License-Identifier: BSD-3-Clause
// The inventory: the PCI functions that belong to a category, with everything that the status shows about
// them.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import { parsePciAddress } from '../../src/pci/address.ts';
import { listPciDevices, type SysfsPciDevice } from '../../src/pci/sysfs.ts';
import { belongs, CATEGORIES, type Category } from './categories.ts';
import { parseGlob } from './glob.ts';
import { KernelModules } from './modules.ts';
import { PciNames } from './names.ts';
import { readRoutes } from './network-routes.ts';
import type { Places } from './places.ts';
import { Storage } from './storage.ts';
import { usedAsUplink } from './uplinks.ts';

export interface Listed {
  readonly pci: SysfsPciDevice;
  /** Device name and id. */
  readonly label: string;
  /** Other drivers that could be bound, separated by commas. */
  readonly unused: string;
  /** Whether its interface has an IPv4 route. */
  readonly active: boolean;
  /**
   * Why rebinding it could cut this machine's network, in dpdk-devbind's words where it has any; null if it
   * could not.
   */
  readonly inUse: string | null;
  /** The file system or swap that rebinding it would take away, likewise. */
  readonly stores: string | null;
}

export interface Inventory {
  readonly devices: readonly Listed[];
  /** The functions of no category. */
  readonly others: readonly SysfsPciDevice[];
  readonly modules: KernelModules;
}

export function takeInventory(places: Places): Inventory {
  const modules = new KernelModules(places);
  const names = new PciNames(places);
  const routes = readRoutes(places);
  const storage = new Storage(places);
  const listed = (pci: SysfsPciDevice) => CATEGORIES.some((category) => belongs(category, pci));
  const all = listPciDevices(places.sysfs);
  const devices = all.filter(listed).map((pci) => ({
    pci,
    label: names.describe(pci.vendor, pci.device),
    unused: unusedDrivers(pci, modules),
    active: pci.interfaces.some((name) => routes.active.has(name)),
    inUse: usage(pci, routes.carrying, places),
    stores: storage.carriedBy(pci.address),
  }));
  return { devices, others: all.filter((pci) => !listed(pci)), modules };
}

function usage(
  { address, interfaces }: SysfsPciDevice,
  routed: ReadonlySet<string>,
  places: Places,
): string | null {
  if (interfaces.some((name) => routed.has(name)))
    return `routing table indicates that interface ${address} is active`;
  for (const name of interfaces) {
    const use = usedAsUplink(name, routed, places);
    if (use !== null) return `interface ${address} (${name}) ${use}`;
  }
  return null;
}

export function inCategory({ devices }: Inventory, category: Category): Listed[] {
  return devices.filter(({ pci }) => belongs(category, pci));
}

/** The kernel's own choice, then the userspace drivers, except the device's current driver. */
function unusedDrivers(pci: SysfsPciDevice, modules: KernelModules): string {
  const own = modules.moduleFor(pci.modalias);
  const others = modules.userspaceDrivers.filter((driver) => driver !== own);
  return [...(own === null ? [] : [own]), ...others].filter((driver) => driver !== pci.driver).join(',');
}

/** Matching addresses, with or without the domain; the text itself if none match. */
export function expandGlob(text: string, places: Places): string[] {
  const folder = join(places.sysfs, 'bus/pci/devices');
  const addresses = existsSync(folder) ? readdirSync(folder).sort() : [];
  for (const pattern of [text, `0000:${text}`]) {
    const glob = parseGlob(pattern.toLowerCase());
    const found = addresses.filter((address) => glob.matches(address.toLowerCase()));
    if (found.length > 0) return found;
  }
  return [text];
}

/** Finds a device by address, with or without the domain, or by interface name. Throws ENODEV. */
export function findDevice({ devices, others }: Inventory, name: string): Listed {
  const found =
    devices.find(({ pci }) => pci.address === name || pci.address === `0000:${name}`) ??
    devices.find(({ pci }) => pci.interfaces.includes(name));
  if (found) return found;
  const other = others.find(({ address }) => address === parsePciAddress(name));
  if (other !== undefined)
    throw new PmdError(
      'ENODEV',
      `Not modifying ${other.address}: DPDK has no drivers for its class, ${hexClass(other.classCode)}.`,
    );
  if (parsePciAddress(name) !== null)
    throw new PmdError('ENODEV', `Unknown device: ${name}. This machine has no such PCI function.`);
  throw new PmdError('ENODEV', `Unknown device: ${name}. Please specify device in "bus:slot.func" format`);
}

const hexClass = (code: number): string => code.toString(16).padStart(6, '0');
