// SPDX-License-Identifier: BSD-3-Clause
// RFC 2.1: what two sides that share a small memory find in it, and the capability that says where it lies
// (docs/device-abi.md, "RFC 2.1"). The rings in a section are those of Linux' ivshmem-net.
import { at, type Layout } from './layout.ts';

/**
 * The first page of a side's memory, written by that side only. Its output section follows, up to the end of
 * the memory. An ivshmem v2 device has a state table instead, and sections without this page.
 */
export const SECTION_HEADER = {
  name: 'vhost_pci_section_header',
  source: 'docs/device-abi.md, RFC 2.1',
  size: 48,
  fields: {
    /** SECTION_MAGIC once the other fields are valid. */
    magic: at(0, 'u32'),
    version: at(4, 'u32'),
    /** SECTION_STATE_*. */
    state: at(8, 'u32'),
    /** Extensions that this side accepts: bits SECTION_F_*. Constant outside of RESET. */
    features: at(12, 'u32'),
    /** Queue pairs that this side accepts, 1 or more. */
    queue_pairs: at(16, 'u32'),
    /** Largest frame that this side accepts, Ethernet header included, in bytes; 0: no limit of its own. */
    max_frame: at(20, 'u32'),
    /** Id by which a doorbell reaches this side, plus 1; 0 if it has none. */
    doorbell: at(24, 'u32'),
    /** Interrupt vectors of this side; 0: it polls. */
    vectors: at(28, 'u32'),
    mac: at(32, 'u64'),
    reserved: at(40, 'u64'),
  },
} as const satisfies Layout;

/** "vps1". */
export const SECTION_MAGIC = 0x31737076;
export const SECTION_VERSION = 1;
/** Bytes from the start of a side's memory to its output section. */
export const SECTION_HEADER_BYTES = 4096;

/** Each frame is preceded by a virtio-net header of 12 bytes (VIRTIO 1.2, 5.1.6), whose offloads apply. */
export const SECTION_F_NET_HEADER = 0;
/** Frames of up to 64 KiB; without it, the limit is that of ivshmem-net. */
export const SECTION_F_LARGE_FRAMES = 1;
/** More than one queue pair: each gets an equal part of the section. */
export const SECTION_F_MULTIQUEUE = 2;

/** ivshmem-net's states (Linux, drivers/net/ivshmem-net.c). */
export const SECTION_STATE_RESET = 0;
export const SECTION_STATE_INIT = 1;
export const SECTION_STATE_READY = 2;
export const SECTION_STATE_RUN = 3;

/** Interrupt vectors: 0 a state changed, 1 + i the rings of queue pair i. */
export const SECTION_VECTOR_STATE = 0;
export const SECTION_VECTOR_QUEUES = 1;

/**
 * One region of memory of the function: a vendor capability (id 09h) with this cfg_type, so that a virtio
 * driver, which knows cfg_types up to 9, skips it. One capability for each region.
 */
export const VHOST_PCI_REGION_CAP = {
  name: 'vhost_pci_region_cap',
  source: 'docs/device-abi.md, Region capability',
  size: 24,
  fields: {
    id: at(0, 'u8', 'ro'),
    next: at(1, 'u8', 'ro'),
    length: at(2, 'u8', 'ro'),
    cfg_type: at(3, 'u8', 'ro'),
    /** 0 to 5, or VHOST_PCI_REGION_GPA. */
    bar: at(4, 'u8', 'ro'),
    /** VHOST_PCI_REGION_*. */
    kind: at(5, 'u8', 'ro'),
    /** What the driver may do: VHOST_PCI_REGION_READ, _WRITE. */
    permissions: at(6, 'u8', 'ro'),
    reserved: at(7, 'u8', 'ro'),
    /** Byte offset in the BAR, or a guest-physical address. */
    address: at(8, 'u64', 'ro'),
    size: at(16, 'u64', 'ro'),
  },
} as const satisfies Layout;

export const VHOST_PCI_CAP_REGION_CFG = 0x76;
export const VHOST_PCI_REGION_GPA = 0xff;
/** RFC 2.0: memory of the peer. */
export const VHOST_PCI_REGION_PEER_MEMORY = 0;
/** RFC 2.1: the driver's side of the shared memory, and the peer's. */
export const VHOST_PCI_REGION_OWN_SIDE = 1;
export const VHOST_PCI_REGION_PEER_SIDE = 2;
export const VHOST_PCI_REGION_READ = 1;
export const VHOST_PCI_REGION_WRITE = 2;
