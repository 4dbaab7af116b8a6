// SPDX-License-Identifier: BSD-3-Clause
// A function by its PCI address: the driver that the kernel has bound to it decides on the bus.
import { VHOST_PCI_DEVICE_ID } from '../abi/vhost-pci.ts';
import { VIRTIO_PCI_VENDOR_ID } from '../abi/virtio-pci.ts';
import { PmdError } from '../errors.ts';
import { readPciDevice, SYSFS } from '../pci/sysfs.ts';
import type { PciDevice } from './pci-device.ts';
import { openUio } from './uio.ts';
import { openVfioPci } from './vfio-kernel.ts';

/** Throws ENODEV (no such function), VPCI_WRONG_DEVICE (another one), VPCI_NOT_BOUND (it has no driver of ours), or what the bus throws. */
export function openPciAddress(address: string, sysfs: string = SYSFS): PciDevice {
  const device = readPciDevice(address, sysfs);
  if (device === null)
    throw new PmdError(
      'ENODEV',
      `Failed to open ${address}: there is no such PCI function; vhost-pci-devbind --status lists them`,
    );
  // Before anything of it is touched, and before the advice to take it away from its driver.
  if (device.vendor !== VIRTIO_PCI_VENDOR_ID || device.device !== VHOST_PCI_DEVICE_ID)
    throw new PmdError(
      'VPCI_WRONG_DEVICE',
      `Failed to open ${address}: it is no vhost-pci function (${ids(VIRTIO_PCI_VENDOR_ID, VHOST_PCI_DEVICE_ID)}), but ${ids(device.vendor, device.device)}; vhost-pci-devbind --status lists those that there are`,
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

function ids(vendor: number, device: number): string {
  return [vendor, device].map((id) => id.toString(16).padStart(4, '0')).join(':');
}

function notBound(address: string, driver: string | null): PmdError {
  const now = driver === null ? 'it is bound to no driver' : `it is bound to the driver ${driver}`;
  return new PmdError(
    'VPCI_NOT_BOUND',
    `Failed to open ${address}: ${now}; run vhost-pci-devbind --bind=vfio-pci ${address} (or --bind=uio_pci_generic without an IOMMU)`,
  );
}
