// SPDX-License-Identifier: BSD-3-Clause
// Configuration space and registers in plain memory, for tests that act as a device.
import { PCI_CAP_ID_MSIX, PCI_CAP_ID_VNDR, PCI_CONFIG, PCI_STATUS_CAP_LIST } from '../../src/abi/pci.ts';
import {
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
} from '../../src/abi/virtio-pci.ts';
import { type Registers, registersOver } from '../../src/pci/registers.ts';

/** Registers in plain memory. */
export function memoryRegisters(view: DataView): Registers {
  return registersOver(
    (offset, width) => {
      if (width === 1) return view.getUint8(offset);
      return width === 2 ? view.getUint16(offset, true) : view.getUint32(offset, true);
    },
    (offset, width, value) => {
      if (width === 1) view.setUint8(offset, value);
      else if (width === 2) view.setUint16(offset, value, true);
      else view.setUint32(offset, value, true);
    },
  );
}

export const COMMON_OFFSET = 0x0000;
export const ISR_OFFSET = 0x1000;
export const DEVICE_OFFSET = 0x2000;
export const NOTIFY_OFFSET = 0x3000;
export const NOTIFY_MULTIPLIER = 4;
export const BAR0_BYTES = 0x4000;

/**
 * The configuration space of docs/device-abi.md, with five capabilities at 0x40, 0x50, 0x60, 0x70 and 0x88.
 */
export function vhostPciConfigSpace(vectors: number): DataView {
  const view = new DataView(new ArrayBuffer(256));
  const { fields } = PCI_CONFIG;
  view.setUint16(fields.vendor_id.offset, 0x1af4, true);
  view.setUint16(fields.device_id.offset, 0x1014, true);
  view.setUint8(fields.base_class.offset, 2);
  view.setUint16(fields.subsystem_vendor_id.offset, 0x1af4, true);
  view.setUint16(fields.subsystem_id.offset, 21, true);
  view.setUint16(fields.status.offset, PCI_STATUS_CAP_LIST, true);
  view.setUint8(fields.capabilities_pointer.offset, 0x40);
  writeVirtioCapability(view, 0x40, 0x50, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFFSET, 0x1000);
  writeVirtioCapability(view, 0x50, 0x60, VIRTIO_PCI_CAP_ISR_CFG, ISR_OFFSET, 0x1000);
  writeVirtioCapability(view, 0x60, 0x70, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_OFFSET, 0x1000);
  writeVirtioCapability(view, 0x70, 0x88, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_OFFSET, 0x1000);
  view.setUint8(0x72, 20);
  view.setUint32(0x80, NOTIFY_MULTIPLIER, true);
  view.setUint8(0x88, PCI_CAP_ID_MSIX);
  view.setUint8(0x89, 0);
  view.setUint16(0x8a, vectors - 1, true);
  view.setUint32(0x8c, 1, true);
  return view;
}

export function writeVirtioCapability(
  view: DataView,
  at: number,
  next: number,
  type: number,
  offset: number,
  length: number,
  bar = 0,
): void {
  view.setUint8(at, PCI_CAP_ID_VNDR);
  view.setUint8(at + 1, next);
  view.setUint8(at + 2, 16);
  view.setUint8(at + 3, type);
  view.setUint8(at + 4, bar);
  view.setUint32(at + 8, offset, true);
  view.setUint32(at + 12, length, true);
}
