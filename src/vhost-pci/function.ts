// SPDX-License-Identifier: BSD-3-Clause
// Identification of a vhost-pci-net function by its ids, and its configuration structure
// (docs/device-abi.md).
import {
  VHOST_PCI_CLASS,
  VHOST_PCI_DEVICE_ID,
  VHOST_PCI_NET_CONFIG,
  VHOST_PCI_NET_S_LINK_UP,
} from '../abi/vhost-pci.ts';
import { VIRTIO_PCI_VENDOR_ID } from '../abi/virtio-pci.ts';
import type { PciDevice } from '../bus/pci-device.ts';
import { PmdError } from '../errors.ts';
import { describeIdentity, readIdentity } from '../pci/config-space.ts';
import { readRegister } from '../pci/registers.ts';
import type { ModernTransport } from '../virtio/modern-transport.ts';

/** More than any device model offers; limits how much a device can make us allocate. */
const MAX_QUEUE_PAIRS = 256;

export interface NetConfig {
  /** 1 to MAX_QUEUE_PAIRS. */
  readonly queuePairs: number;
  readonly linkUp: boolean;
}

/** Reads the configuration structure. Throws VPCI_BAD_CONFIG if it is invalid. */
export function readNetConfig(transport: ModernTransport): NetConfig {
  const { fields, size } = VHOST_PCI_NET_CONFIG;
  return transport.readConfig(size, (registers, base) => {
    const queuePairs = readRegister(registers, fields.vq_pairs, base);
    if (queuePairs < 1 || queuePairs > MAX_QUEUE_PAIRS) {
      throw new PmdError('VPCI_BAD_CONFIG', `The device reports ${queuePairs} queue pairs`);
    }
    return {
      queuePairs,
      linkUp: (readRegister(registers, fields.status, base) & VHOST_PCI_NET_S_LINK_UP) !== 0,
    };
  });
}

/** Throws VPCI_WRONG_DEVICE, with the ids found, if the function is not a vhost-pci-net function. */
export function requireVhostPci(pci: PciDevice): void {
  const identity = readIdentity(pci.config);
  const { vendor, device, classCode } = identity;
  if (vendor === VIRTIO_PCI_VENDOR_ID && device === VHOST_PCI_DEVICE_ID && classCode === VHOST_PCI_CLASS)
    return;
  const wanted = describeIdentity({
    ...identity,
    vendor: VIRTIO_PCI_VENDOR_ID,
    device: VHOST_PCI_DEVICE_ID,
    classCode: VHOST_PCI_CLASS,
  });
  throw new PmdError(
    'VPCI_WRONG_DEVICE',
    `${pci.name} is ${describeIdentity(identity)}, not a vhost-pci-net function (${wanted})`,
  );
}
