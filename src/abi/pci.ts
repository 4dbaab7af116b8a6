// SPDX-License-Identifier: BSD-3-Clause
// PCI configuration space, PCI Local Bus 3.0 section 6 and PCI Express base specification 7.5.
import { at, type Layout } from './layout.ts';

export const PCI_CONFIG = {
  name: 'pci_type0_config',
  source: 'PCI 3.0, 6.1',
  size: 64,
  fields: {
    vendor_id: at(0x00, 'u16', 'ro'),
    device_id: at(0x02, 'u16', 'ro'),
    command: at(0x04, 'u16'),
    status: at(0x06, 'u16'),
    revision_id: at(0x08, 'u8', 'ro'),
    prog_if: at(0x09, 'u8', 'ro'),
    subclass: at(0x0a, 'u8', 'ro'),
    base_class: at(0x0b, 'u8', 'ro'),
    cache_line_size: at(0x0c, 'u8'),
    header_type: at(0x0e, 'u8', 'ro'),
    bar0: at(0x10, 'u32'),
    bar1: at(0x14, 'u32'),
    bar2: at(0x18, 'u32'),
    bar3: at(0x1c, 'u32'),
    bar4: at(0x20, 'u32'),
    bar5: at(0x24, 'u32'),
    subsystem_vendor_id: at(0x2c, 'u16', 'ro'),
    subsystem_id: at(0x2e, 'u16', 'ro'),
    capabilities_pointer: at(0x34, 'u8', 'ro'),
    interrupt_line: at(0x3c, 'u8'),
    interrupt_pin: at(0x3d, 'u8', 'ro'),
  },
} as const satisfies Layout;

export const PCI_CONFIG_SPACE_BYTES = 256;

export const PCI_COMMAND_MEMORY = 1 << 1;
export const PCI_COMMAND_MASTER = 1 << 2;
export const PCI_COMMAND_INTX_DISABLE = 1 << 10;
export const PCI_STATUS_CAP_LIST = 1 << 4;

export const PCI_BASE_ADDRESS_MEM_TYPE_64 = 0x4;
export const PCI_BASE_ADDRESS_MEM_PREFETCH = 0x8;

export const PCI_CAP_ID_VNDR = 0x09;
export const PCI_CAP_ID_MSIX = 0x11;

/** MSI-X capability, PCI 3.0 section 6.8.2. */
export const MSIX_CAP = {
  name: 'msix_cap',
  source: 'PCI 3.0, 6.8.2',
  size: 12,
  fields: {
    cap_id: at(0, 'u8', 'ro'),
    cap_next: at(1, 'u8', 'ro'),
    /** Bits 10:0 table size - 1, bit 14 function mask, bit 15 enable. */
    message_control: at(2, 'u16'),
    /** Bits 2:0 BAR, the rest the offset. */
    table: at(4, 'u32', 'ro'),
    pba: at(8, 'u32', 'ro'),
  },
} as const satisfies Layout;

export const MSIX_TABLE_ENTRY_BYTES = 16;
export const MSIX_CONTROL_ENABLE = 1 << 15;
export const MSIX_CONTROL_SIZE_MASK = 0x7ff;
