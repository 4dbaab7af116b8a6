// SPDX-License-Identifier: BSD-3-Clause
// VFIO set-up around a binding: an IOMMU or the no-IOMMU mode, and the owner of the group's device file.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { failedTo, PmdError } from '../../src/errors.ts';
import { readPciDevice, readText } from '../../src/pci/sysfs.ts';
import type { Places } from './places.ts';

/** The owner of a group's device file; -1 leaves an id unchanged. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Ensures that devices can be bound to vfio-pci: there is an IOMMU, or the no-IOMMU mode is on, or `enable`
 * permits switching it on. Returns a warning in the last case. Otherwise throws an ENODEV that says what to
 * enable.
 */
export function requireIommu(places: Places, enable: boolean): string | null {
  const iommus = join(places.sysfs, 'class/iommu');
  if (existsSync(iommus) && readdirSync(iommus).length > 0) return null;
  const parameter = join(places.sysfs, 'module/vfio/parameters/enable_unsafe_noiommu_mode');
  if (!existsSync(parameter)) {
    throw new PmdError(
      'ENODEV',
      'there is no IOMMU, and VFIO in this kernel lacks the no-IOMMU mode (CONFIG_VFIO_NOIOMMU); start the machine with an IOMMU (for a QEMU guest: -device intel-iommu and intel_iommu=on), or bind to uio_pci_generic',
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

/** Changes the owner of the device file of the function's IOMMU group. */
export function ownGroup(address: string, owner: Owner, places: Places): void {
  const group = readPciDevice(address, places.sysfs)?.iommuGroup;
  if (!group)
    throw new PmdError(
      'ENODEV',
      `failed to set IOMMU group ownership for ${address}: it is not in an IOMMU group`,
    );
  const file = [group, `noiommu-${group}`]
    .map((name) => join(places.devVfio, name))
    .find((path) => existsSync(path));
  try {
    places.chown(file ?? join(places.devVfio, group), owner.uid, owner.gid);
  } catch (error) {
    throw failedTo(`set IOMMU group ownership for ${address}`, error);
  }
}

/**
 * Resolves a user or group: looks up a name in passwd or group, and returns a number as is. Null if there is
 * no such name.
 */
export function accountId(name: string, file: 'passwd' | 'group', places: Places): number | null {
  if (/^\d+$/.test(name)) return Number(name);
  const row = readText(join(places.etc, file))
    .split('\n')
    .map((line) => line.split(':'))
    .find(([account]) => account === name);
  return row?.[2] === undefined ? null : Number(row[2]);
}
