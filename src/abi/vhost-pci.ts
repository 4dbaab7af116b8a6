// SPDX-License-Identifier: BSD-3-Clause
// The vhost-pci-net function: the reference layout of RFC 2.0 (Wei Wang, 2017) and the extensions of
// docs/device-abi.md.
import { at, type Layout } from './layout.ts';

export const VHOST_PCI_DEVICE_ID = 0x1014;
export const VHOST_PCI_SUBSYSTEM_ID = 21;
/** Base class 02h, subclass 00h: Ethernet controller. */
export const VHOST_PCI_CLASS = 0x020000;
/** BARs that may expose the peer's memory, in the order of their use; each is 64-bit prefetchable. */
export const VHOST_PCI_MEMORY_BARS = [2, 4] as const;

/** Device configuration structure. */
export const VHOST_PCI_NET_CONFIG = {
  name: 'vhost_pci_net_config',
  source: 'vhost-pci RFC 2.0',
  size: 4,
  fields: { vq_pairs: at(0, 'u16', 'ro'), status: at(2, 'u16', 'ro') },
} as const satisfies Layout;

export const VHOST_PCI_NET_S_LINK_UP = 1;

/** Number of control queue entries, and of data queue entries in the reference. */
export const VHOST_PCI_CTRLQ_SIZE = 32;
export const VHOST_PCI_REFERENCE_VRING_SIZE = 256;

/** Header of every control queue message; `size` includes the header. */
export const VHOST_PCI_CTRL_HDR = {
  name: 'vhost_pci_ctrl_hdr',
  source: 'vhost-pci RFC 2.0',
  size: 4,
  fields: { class: at(0, 'u8'), cmd: at(1, 'u8'), size: at(2, 'u16') },
} as const satisfies Layout;

export const VHOST_PCI_CTRL_REMOTE_MEM = 0;
/** Reference form: regions are contiguous from offset 0 of BAR 2. */
export const VHOST_PCI_CTRL_REMOTE_MEM_PACKED = 0;
/** SESSION form: each region has its BAR and offset. */
export const VHOST_PCI_CTRL_REMOTE_MEM_PLACED = 1;
export const VHOST_PCI_CTRL_REMOTE_QUEUES = 1;
/** Class of the messages of SESSION, our extension. */
export const VHOST_PCI_CTRL_SESSION = 2;
/** Device to driver: u64, the features that the peer's driver negotiated. */
export const VHOST_PCI_CTRL_SESSION_PEER_FEATURES = 0;
/** Device to driver: stop this ring and acknowledge it. */
export const VHOST_PCI_CTRL_SESSION_QUEUE_STOP = 1;
/** Driver to device (device-readable buffer): the ring is quiescent; contains its index. */
export const VHOST_PCI_CTRL_SESSION_QUEUE_STOPPED = 2;

/** Device to driver: the MTU of the peer's network, 0 if the peer sent none. */
export const VHOST_PCI_CTRL_SESSION_PEER_MTU = 3;
/** Device to driver: announce this MAC address, which has moved to the peer. */
export const VHOST_PCI_CTRL_SESSION_PEER_ANNOUNCE = 4;

/** Device to driver (LINK_REASON): why the link is down, as UTF-8 text. */
export const VHOST_PCI_CTRL_SESSION_LINK_REASON = 5;
/** Maximum length of this text in bytes. */
export const VHOST_PCI_LINK_REASON_MAX = 256;

export const VHOST_PCI_PEER_MTU = {
  name: 'vhost_pci_peer_mtu',
  source: 'docs/device-abi.md, SESSION',
  size: 4,
  fields: { mtu: at(0, 'u16'), padding: at(2, 'u16') },
} as const satisfies Layout;

/** Six bytes of MAC address, then two of padding. */
export const VHOST_PCI_PEER_ANNOUNCE_BYTES = 8;

/** Valid MTUs of an Ethernet link: RFC 791 requires at least 68. */
export const MIN_MTU = 68;
export const MAX_MTU = 65_535;

export const VHOST_PCI_REMOTE_MEM_PACKED_ENTRY = {
  name: 'vhost_pci_remote_mem',
  source: 'vhost-pci RFC 2.0',
  size: 16,
  fields: { gpa: at(0, 'u64'), size: at(8, 'u64') },
} as const satisfies Layout;

export const VHOST_PCI_REMOTE_MEM_PLACED_ENTRY = {
  name: 'vhost_pci_remote_mem_placed',
  source: 'docs/device-abi.md, SESSION',
  size: 32,
  fields: {
    gpa: at(0, 'u64'),
    size: at(8, 'u64'),
    offset: at(16, 'u64'),
    bar: at(24, 'u32'),
    padding: at(28, 'u32'),
  },
} as const satisfies Layout;

/** Record 2i is the peer's RX queue i (our TX engine), record 2i+1 its TX queue i (our RX engine). */
export const VHOST_PCI_REMOTE_QUEUE_ENTRY = {
  name: 'vhost_pci_remote_queue',
  source: 'vhost-pci RFC 2.0',
  size: 40,
  fields: {
    last_avail_idx: at(0, 'u16'),
    /** Our extension: the generation of the ring; never 0 for a running ring. */
    serial: at(2, 'u16'),
    vring_enable: at(4, 's32'),
    vring_num: at(8, 'u32'),
    desc_gpa: at(16, 'u64'),
    avail_gpa: at(24, 'u64'),
    used_gpa: at(32, 'u64'),
  },
} as const satisfies Layout;

/**
 * At the start of the driver area of a local data queue: the position of its engine in a packed ring of the
 * peer.
 */
export const VHOST_PCI_POSITION_WORDS = {
  name: 'vhost_pci_position_words',
  source: 'docs/device-abi.md, Position words',
  size: 6,
  fields: { shown: at(0, 'u16'), next: at(2, 'u16'), serial: at(4, 'u16') },
} as const satisfies Layout;

/**
 * Also in the driver area: which generation bursts may work on, and whether one is inside. One cache line
 * each.
 */
export const VHOST_PCI_GATE_WORDS = {
  name: 'vhost_pci_gate_words',
  source: 'docs/device-abi.md, Gate words',
  size: 192,
  fields: { busy: at(64, 'u32'), allowed: at(128, 'u32') },
} as const satisfies Layout;

/**
 * In `allowed`: the device has stopped waiting; a burst that is inside must leave without touching the ring.
 */
export const VHOST_PCI_GATE_REVOKED = 0xffff_ffff;

/** Alignment of a driver area that holds gate words. */
export const VHOST_PCI_GATE_ALIGN = 64;

/** QUEUE_STOP and QUEUE_STOPPED payload; last_avail_idx is valid in QUEUE_STOPPED only. */
export const VHOST_PCI_QUEUE_STOP = {
  name: 'vhost_pci_queue_stop',
  source: 'docs/device-abi.md, SESSION',
  size: 8,
  fields: { index: at(0, 'u16'), last_avail_idx: at(2, 'u16'), token: at(4, 'u32') },
} as const satisfies Layout;

/**
 * Our own device feature bits, in the device-specific range above those of virtio-net. SESSION: the peer may
 * connect and disconnect while the function stays; messages of class 2 and the placed memory form are used.
 * REMAP: the driver can query a memory BAR's region again after a REMOTE_MEM message, so that a peer may
 * return with another memory file (a vfio-user client in the driver's own process can; a guest kernel
 * cannot). GATE, which requires SESSION: rings are taken back through the gate words, without QUEUE_STOP.
 * LINK_REASON: the device sends the driver a text why the link is down.
 */
export const VHOST_PCI_F_SESSION = 112;
export const VHOST_PCI_F_REMAP = 113;
export const VHOST_PCI_F_GATE = 114;
export const VHOST_PCI_F_LINK_REASON = 115;

/** MSI-X vectors: 0 configuration, 1 control queue, 2 + k data queue k. */
export const VHOST_PCI_VECTOR_CONFIG = 0;
export const VHOST_PCI_VECTOR_CTRL = 1;
export const VHOST_PCI_VECTOR_QUEUES = 2;

/** RFC 2.1: the revision that tells its function from that of RFC 2.0, and its registers in BAR 0. */
export const VHOST_PCI_SYMMETRIC_REVISION = 2;
export const VHOST_PCI_SYMMETRIC_VERSION = 1;
export const VHOST_PCI_SYMMETRIC_REGISTERS = {
  name: 'vhost_pci_symmetric_registers',
  source: 'docs/device-abi.md, RFC 2.1',
  size: 4096,
  fields: {
    version: at(0, 'u32', 'ro'),
    /** MSI-X vectors: 0 states, 1 + i the rings of queue pair i. */
    vectors: at(4, 'u32', 'ro'),
    /** Bit 0: the peer's function has a driver's connection. */
    peer: at(8, 'u32', 'ro'),
    /** The first of the doorbells, one for each of the peer's vectors. */
    doorbell: at(0x100, 'u32', 'wo'),
  },
} as const satisfies Layout;

/** Register whose write, of any value, raises the peer's vector. */
export const vhostPciSymmetricDoorbell = (vector: number): number =>
  VHOST_PCI_SYMMETRIC_REGISTERS.fields.doorbell.offset + 4 * vector;
