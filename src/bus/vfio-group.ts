// SPDX-License-Identifier: BSD-3-Clause
// From a PCI address to a VFIO device: container, group, IOMMU, device (Documentation/driver-api/vfio.rst,
// "VFIO Usage Example"). Error messages refer to the address that the user named.
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { VFIO_API_VERSION, VFIO_NOIOMMU_IOMMU, VFIO_TYPE1v2_IOMMU } from '../abi/vfio.ts';
import { codeOf, failedTo, PmdError } from '../errors.ts';
import { groupMembers, readPciDevice, type SysfsPciDevice } from '../pci/sysfs.ts';
import type { VfioCalls } from './vfio-calls.ts';

/** Descriptors of an open function; the caller closes all three. */
export interface VfioHandles {
  readonly container: number;
  readonly group: number;
  readonly device: number;
  /** The group has no IOMMU: the device uses physical addresses. */
  readonly noIommu: boolean;
}

export interface VfioPlaces {
  /** "/sys". */
  readonly sysfs: string;
  /** "/dev/vfio". */
  readonly devVfio: string;
}

/**
 * Opens a function that is bound to vfio-pci. Throws ENODEV (no IOMMU), ENOENT (VFIO is not loaded), EACCES
 * (permission), EBUSY (the group is in use, or shared with a function of another driver), or the kernel's
 * error. Leaves no descriptor open on error.
 */
export function openVfioHandles(device: SysfsPciDevice, calls: VfioCalls, places: VfioPlaces): VfioHandles {
  const { address, iommuGroup } = device;
  if (iommuGroup === null) {
    throw new PmdError(
      'ENODEV',
      `Failed to open ${address}: it has no IOMMU; start the machine with one (intel_iommu=on), bind it with vhost-pci-devbind --noiommu-mode, or bind it to uio_pci_generic`,
    );
  }
  const noIommuPath = join(places.devVfio, `noiommu-${iommuGroup}`);
  const noIommu = existsSync(noIommuPath);
  const groupPath = noIommu ? noIommuPath : join(places.devVfio, iommuGroup);
  const opened: number[] = [];
  try {
    const container = openFile(join(places.devVfio, 'vfio'), address);
    opened.push(container);
    const type = noIommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;
    checkContainer(container, calls, type, address);
    const group = openFile(groupPath, address);
    opened.push(group);
    if (!calls.groupViable(group)) throw notViable(address, iommuGroup, places.sysfs);
    step(address, `put group ${iommuGroup} into a container`, () => calls.setContainer(group, container));
    step(address, 'set up the IOMMU', () => calls.setIommu(container, type));
    const fd = step(address, 'get the device', () => calls.deviceFd(group, address));
    return { container, group, device: fd, noIommu };
  } catch (error) {
    closeVfioFds(opened);
    throw error;
  }
}

/** Closes descriptors in reverse order. */
export function closeVfioFds(fds: readonly number[]): void {
  for (const fd of [...fds].reverse()) closeSync(fd);
}

function openFile(path: string, address: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    const code = codeOf(error, 'EIO');
    const cause = OPEN_ERRORS[code];
    if (!cause) throw failedTo(`open ${address}`, error);
    throw new PmdError(code, `Failed to open ${address}: ${cause(path)}`);
  }
}

const OPEN_ERRORS: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `${path} does not exist; load the module vfio-pci and bind the device again`,
  ENODEV: (path) => `${path} has no driver behind it; load the module vfio-pci`,
  EACCES: (path) => `no permission for ${path}; run as root, or bind with vhost-pci-devbind --uid and --gid`,
  EPERM: (path) => `no permission for ${path}; run as root, or bind with vhost-pci-devbind --uid and --gid`,
  EBUSY: (path) => `${path} is in use by another process`,
};

function checkContainer(container: number, calls: VfioCalls, type: number, address: string): void {
  const version = step(address, 'query the VFIO version', () => calls.apiVersion(container));
  if (version !== VFIO_API_VERSION) {
    throw new PmdError(
      'VPCI_VFIO_VERSION',
      `Failed to open ${address}: VFIO has API version ${version}, not 0`,
    );
  }
  if (calls.hasExtension(container, type)) return;
  const cause =
    type === VFIO_NOIOMMU_IOMMU
      ? 'the no-IOMMU mode of VFIO is off; bind it with vhost-pci-devbind --noiommu-mode'
      : 'VFIO has no type 1 IOMMU; load the module vfio_iommu_type1';
  throw new PmdError('ENODEV', `Failed to open ${address}: ${cause}`);
}

function notViable(address: string, group: string, sysfs: string): PmdError {
  const others = groupMembers(group, sysfs)
    .filter((member) => member !== address)
    .map((member) => readPciDevice(member, sysfs))
    .filter((member) => member !== null && member.driver !== null && member.driver !== 'vfio-pci')
    .map((member) => `${member?.address} (${member?.driver})`);
  const which = others.length > 0 ? `: ${others.join(', ')}` : '';
  return new PmdError(
    'EBUSY',
    `Failed to open ${address}: its IOMMU group ${group} has devices of other drivers${which}; bind them to vfio-pci too`,
  );
}

function step<T>(address: string, what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EBUSY') {
      throw new PmdError('EBUSY', `Failed to open ${address}: it is in use by another process`);
    }
    if (code === 'EPERM') {
      throw new PmdError(
        'EPERM',
        `Failed to open ${address}: the kernel denied permission to ${what} (EPERM)`,
      );
    }
    throw failedTo(`${what} for ${address}`, error);
  }
}
