// SPDX-License-Identifier: BSD-3-Clause
// A function by its PCI address: the driver that the kernel has bound to it decides on the bus.
import { PmdError } from '../errors.ts';
import { readPciDevice, SYSFS } from '../pci/sysfs.ts';
import type { PciDevice } from './pci-device.ts';
import { openUio } from './uio.ts';
import { openVfioPci } from './vfio-kernel.ts';

/** Throws ENODEV (no such function), VPCI_NOT_BOUND (it has no driver of ours), or what the bus throws. */
export function openPciAddress(address: string, sysfs: string = SYSFS): PciDevice {
  const device = readPciDevice(address, sysfs);
  if (device === null)
    throw new PmdError(
      'ENODEV',
      `Failed to open ${address}: there is no such PCI function; vhost-pci-devbind --status lists them`,
    );
  switch (device.driver) {
    case 'vfio-pci':
      return openVfioPci(device, { sysfs });
    case 'uio_pci_generic':
      return openUio(device);
    default:
      throw notBound(address, device.driver);
  }
}

function notBound(address: string, driver: string | null): PmdError {
  const now = driver === null ? 'it is bound to no driver' : `it is bound to the driver ${driver}`;
  return new PmdError(
    'VPCI_NOT_BOUND',
    `Failed to open ${address}: ${now}; run vhost-pci-devbind --bind=vfio-pci ${address} (or --bind=uio_pci_generic without an IOMMU)`,
  );
}
