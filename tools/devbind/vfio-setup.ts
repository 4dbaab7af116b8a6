// SPDX-License-Identifier: BSD-3-Clause
// What VFIO needs around a binding: an IOMMU or its no-IOMMU mode, and an owner of the group's device file.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { failedTo, PmdError } from '../../src/errors.ts';
import { readPciDevice, readText } from '../../src/pci/sysfs.ts';
import type { Places } from './places.ts';

/** Whoever is to own a group; -1 leaves that as it is. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Makes sure that vfio-pci can take a device: there is an IOMMU, or the no-IOMMU mode is on, or `enable` says to switch it on. Returns the
 * warning for the latter. Throws ENODEV that says what to enable.
 */
export function requireIommu(places: Places, enable: boolean): string | null {
  const iommus = join(places.sysfs, 'class/iommu');
  if (existsSync(iommus) && readdirSync(iommus).length > 0) return null;
  const parameter = join(places.sysfs, 'module/vfio/parameters/enable_unsafe_noiommu_mode');
  if (!existsSync(parameter)) {
    throw new PmdError(
      'ENODEV',
      'there is no IOMMU, and VFIO of this kernel has no no-IOMMU mode (CONFIG_VFIO_NOIOMMU); start the machine with an IOMMU (for a guest of QEMU -device intel-iommu and intel_iommu=on), or bind to uio_pci_generic',
    );
  }
  if (/^[1yY]/.test(readText(parameter))) return null;
  if (!enable) {
    throw new PmdError('ENODEV', 'IOMMU support is disabled, use --noiommu-mode for binding in noiommu mode');
  }
  try {
    places.write(parameter, '1');
  } catch (error) {
    throw failedTo(`enable unsafe noiommu mode in ${parameter}`, error);
  }
  return 'Warning: enabling unsafe no IOMMU mode for VFIO drivers';
}

/** Gives the device file of the function's IOMMU group to `owner`. */
export function ownGroup(address: string, owner: Owner, places: Places): void {
  const group = readPciDevice(address, places.sysfs)?.iommuGroup;
  if (!group)
    throw new PmdError('ENODEV', `failed to set IOMMU group ownership for ${address}: it is in none`);
  const file = [group, `noiommu-${group}`]
    .map((name) => join(places.devVfio, name))
    .find((path) => existsSync(path));
  try {
    places.chown(file ?? join(places.devVfio, group), owner.uid, owner.gid);
  } catch (error) {
    throw failedTo(`set IOMMU group ownership for ${address}`, error);
  }
}

/** The number of a user or group: by name in passwd or group, or as it is. Null when there is no such name. */
export function accountId(name: string, file: 'passwd' | 'group', places: Places): number | null {
  if (/^\d+$/.test(name)) return Number(name);
  const row = readText(join(places.etc, file))
    .split('\n')
    .map((line) => line.split(':'))
    .find(([account]) => account === name);
  return row?.[2] === undefined ? null : Number(row[2]);
}
