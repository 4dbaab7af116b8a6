// SPDX-License-Identifier: BSD-3-Clause
// Opens a function by its PCI address: the kernel driver bound to it determines the bus.
import { VHOST_PCI_DEVICE_ID } from '../abi/vhost-pci.ts';
import { VIRTIO_PCI_VENDOR_ID } from '../abi/virtio-pci.ts';
import { PmdError } from '../errors.ts';
import { readPciDevice, SYSFS } from '../pci/sysfs.ts';
import type { PciDevice } from './pci-device.ts';
import { openUio } from './uio.ts';
import { openVfioPci } from './vfio-kernel.ts';

/** A kind of function, by its ids. */
export interface PciKind {
  /** "a vhost-pci function". */
  readonly what: string;
  readonly vendor: number;
  readonly device: number;
}

export const VHOST_PCI_KIND: PciKind = {
  what: 'a vhost-pci function',
  vendor: VIRTIO_PCI_VENDOR_ID,
  device: VHOST_PCI_DEVICE_ID,
};

/**
 * Throws ENODEV (no such function), VPCI_WRONG_DEVICE (none of `kinds`), VPCI_NOT_BOUND (neither vfio-pci nor
 * uio_pci_generic is bound to it), or what the bus throws.
 */
export function openPciAddress(
  address: string,
  sysfs: string = SYSFS,
  kinds: readonly PciKind[] = [VHOST_PCI_KIND],
): PciDevice {
  const device = readPciDevice(address, sysfs);
  if (device === null)
    throw new PmdError(
      'ENODEV',
      `Failed to open ${address}: there is no such PCI function; vhost-pci-devbind --status lists them`,
    );
  // Check this before touching the function, and before advising to unbind it from its driver.
  if (!kinds.some(({ vendor, device: id }) => vendor === device.vendor && id === device.device)) {
    const wanted = kinds.map(({ what, vendor, device: id }) => `${what} (${ids(vendor, id)})`).join(' or ');
    throw new PmdError(
      'VPCI_WRONG_DEVICE',
      `Failed to open ${address}: it is not ${wanted} but ${ids(device.vendor, device.device)}; vhost-pci-devbind --status lists the existing ones`,
    );
  }
  switch (device.driver) {
    case 'vfio-pci':
      return openVfioPci(device, { sysfs });
    case 'uio_pci_generic':
      return openUio(device);
    default:
      throw notBound(address, device.driver);
  }
}

function ids(vendor: number, device: number): string {
  return [vendor, device].map((id) => id.toString(16).padStart(4, '0')).join(':');
}

function notBound(address: string, driver: string | null): PmdError {
  const now = driver === null ? 'it is not bound to a driver' : `it is bound to the driver ${driver}`;
  return new PmdError(
    'VPCI_NOT_BOUND',
    `Failed to open ${address}: ${now}; run vhost-pci-devbind --bind=vfio-pci ${address} (or --bind=uio_pci_generic without an IOMMU)`,
  );
}
