// SPDX-License-Identifier: BSD-3-Clause
// Shared-memory devices: QEMU's ivshmem (version 1) and Jailhouse's ivshmem v2.
import { at, type Layout } from './layout.ts';

/** Version 1: ivshmem-plain, and ivshmem-doorbell, which has MSI-X. */
export const IVSHMEM_VENDOR_ID = 0x1af4;
export const IVSHMEM_DEVICE_ID = 0x1110;
export const IVSHMEM2_VENDOR_ID = 0x110a;
export const IVSHMEM2_DEVICE_ID = 0x4106;

/** BAR 0, aligned accesses of 32 bits only. */
export const IVSHMEM_REGISTERS = {
  name: 'ivshmem_registers',
  source: 'QEMU, docs/specs/ivshmem-spec.rst',
  size: 256,
  fields: {
    intr_mask: at(0x0, 'u32'),
    intr_status: at(0x4, 'u32'),
    /** Our id. */
    iv_position: at(0x8, 'u32', 'ro'),
    /** Bits 15:0 vector, 31:16 id of the peer. */
    doorbell: at(0xc, 'u32', 'wo'),
  },
} as const satisfies Layout;

/** BAR 0, aligned accesses of 32 bits only. */
export const IVSHMEM2_REGISTERS = {
  name: 'ivshmem2_registers',
  source: 'Jailhouse, Documentation/ivshmem-v2-specification.md',
  size: 4096,
  fields: {
    id: at(0x0, 'u32', 'ro'),
    max_peers: at(0x4, 'u32', 'ro'),
    /** Bit 0: interrupts are delivered. */
    interrupt_control: at(0x8, 'u32'),
    /** Bits 15:0 vector, 31:16 id of the peer. */
    doorbell: at(0xc, 'u32', 'wo'),
    /** A write changes our entry of the state table, and raises vector 0 of the peers if it differs. */
    state: at(0x10, 'u32'),
  },
} as const satisfies Layout;

/** Its vendor capability (id 09h). Sizes are multiples of the page size. */
export const IVSHMEM2_CAP = {
  name: 'ivshmem2_cap',
  source: 'Jailhouse, Documentation/ivshmem-v2-specification.md',
  size: 24,
  fields: {
    id: at(0, 'u8', 'ro'),
    next: at(1, 'u8', 'ro'),
    /** 18h, or 20h with the base address. */
    length: at(2, 'u8', 'ro'),
    /** Bit 0: each interrupt clears interrupt_control (one-shot). */
    private_control: at(3, 'u8'),
    state_table_size: at(4, 'u32', 'ro'),
    rw_section_size: at(8, 'u64', 'ro'),
    output_section_size: at(16, 'u64', 'ro'),
  },
} as const satisfies Layout;

/** Follows the capability where there is no BAR 2: u64, the guest-physical address of the memory. */
export const IVSHMEM2_CAP_BASE_ADDRESS = 24;
export const IVSHMEM2_CAP_WITH_ADDRESS_BYTES = 32;

/** The memory: [state table, u32 a peer][read-write section][output section of each peer]. */
export const IVSHMEM_REGISTER_BAR = 0;
export const IVSHMEM_MEMORY_BAR = 2;

/** Base class, and subclass and programming interface: the protocol. */
export const IVSHMEM2_CLASS = 0xff;
export const IVSHMEM2_PROTOCOL_NETWORK = 0x0001;

export const ivshmemDoorbell = (peer: number, vector: number): number => ((peer << 16) | vector) >>> 0;
