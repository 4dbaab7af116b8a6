// SPDX-License-Identifier: BSD-3-Clause
// The virtio-pci modern transport, VIRTIO 1.2 section 4.1.
import { at, type Layout } from './layout.ts';

export const VIRTIO_PCI_VENDOR_ID = 0x1af4;

export const VIRTIO_PCI_CAP_COMMON_CFG = 1;
export const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
export const VIRTIO_PCI_CAP_ISR_CFG = 3;
export const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
export const VIRTIO_PCI_CAP_PCI_CFG = 5;
export const VIRTIO_PCI_CAP_SHARED_MEMORY_CFG = 8;
export const VIRTIO_PCI_CAP_VENDOR_CFG = 9;

export const VIRTIO_PCI_CAP = {
  name: 'virtio_pci_cap',
  source: 'VIRTIO 1.2, 4.1.4',
  size: 16,
  fields: {
    cap_vndr: at(0, 'u8', 'ro'),
    cap_next: at(1, 'u8', 'ro'),
    cap_len: at(2, 'u8', 'ro'),
    cfg_type: at(3, 'u8', 'ro'),
    bar: at(4, 'u8', 'ro'),
    id: at(5, 'u8', 'ro'),
    offset: at(8, 'u32', 'ro'),
    length: at(12, 'u32', 'ro'),
  },
} as const satisfies Layout;

/** virtio_pci_notify_cap = virtio_pci_cap followed by this multiplier. */
export const VIRTIO_PCI_NOTIFY_CAP = {
  name: 'virtio_pci_notify_cap',
  source: 'VIRTIO 1.2, 4.1.4.4',
  size: 20,
  fields: { ...VIRTIO_PCI_CAP.fields, notify_off_multiplier: at(16, 'u32', 'ro') },
} as const satisfies Layout;

/** virtio_pci_cfg_cap = virtio_pci_cap followed by a 4-byte data window. */
export const VIRTIO_PCI_CFG_CAP = {
  name: 'virtio_pci_cfg_cap',
  source: 'VIRTIO 1.2, 4.1.4.9',
  size: 20,
  fields: { ...VIRTIO_PCI_CAP.fields, pci_cfg_data: at(16, 'u32') },
} as const satisfies Layout;

export const VIRTIO_PCI_COMMON_CFG = {
  name: 'virtio_pci_common_cfg',
  source: 'VIRTIO 1.2, 4.1.4.3',
  size: 60,
  fields: {
    device_feature_select: at(0x00, 'u32'),
    device_feature: at(0x04, 'u32', 'ro'),
    driver_feature_select: at(0x08, 'u32'),
    driver_feature: at(0x0c, 'u32'),
    config_msix_vector: at(0x10, 'u16'),
    num_queues: at(0x12, 'u16', 'ro'),
    device_status: at(0x14, 'u8'),
    config_generation: at(0x15, 'u8', 'ro'),
    queue_select: at(0x16, 'u16'),
    queue_size: at(0x18, 'u16'),
    queue_msix_vector: at(0x1a, 'u16'),
    queue_enable: at(0x1c, 'u16'),
    queue_notify_off: at(0x1e, 'u16', 'ro'),
    queue_desc: at(0x20, 'u64'),
    queue_driver: at(0x28, 'u64'),
    queue_device: at(0x30, 'u64'),
    queue_notify_data: at(0x38, 'u16', 'ro'),
    queue_reset: at(0x3a, 'u16'),
  },
} as const satisfies Layout;

export const VIRTIO_MSI_NO_VECTOR = 0xffff;

/** ISR status bits, VIRTIO 1.2 section 4.1.4.5. */
export const VIRTIO_PCI_ISR_QUEUE = 1;
export const VIRTIO_PCI_ISR_CONFIG = 2;

/** Device status bits, VIRTIO 1.2 section 2.1. */
export const VIRTIO_CONFIG_S_ACKNOWLEDGE = 1;
export const VIRTIO_CONFIG_S_DRIVER = 2;
export const VIRTIO_CONFIG_S_DRIVER_OK = 4;
export const VIRTIO_CONFIG_S_FEATURES_OK = 8;
export const VIRTIO_CONFIG_S_NEEDS_RESET = 64;
export const VIRTIO_CONFIG_S_FAILED = 128;
