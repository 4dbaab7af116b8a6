// SPDX-License-Identifier: BSD-3-Clause
// The vhost-pci-net function: the reference layout of RFC 2.0 (Wei Wang, 2017) and the extensions that docs/device-abi.md defines.
import { at, type Layout } from './layout.ts';

export const VHOST_PCI_DEVICE_ID = 0x1014;
export const VHOST_PCI_SUBSYSTEM_ID = 21;
/** Base class 02h, subclass 00h: Ethernet controller. */
export const VHOST_PCI_CLASS = 0x020000;
/** BARs that may expose the peer's memory, in the order they are filled; each is 64-bit prefetchable. */
export const VHOST_PCI_MEMORY_BARS = [2, 4] as const;

/** Device configuration structure. */
export const VHOST_PCI_NET_CONFIG = {
  name: 'vhost_pci_net_config',
  source: 'vhost-pci RFC 2.0',
  size: 4,
  fields: { vq_pairs: at(0, 'u16', 'ro'), status: at(2, 'u16', 'ro') },
} as const satisfies Layout;

export const VHOST_PCI_NET_S_LINK_UP = 1;

/** Control queue entries, and data queue entries that the reference assumes. */
export const VHOST_PCI_CTRLQ_SIZE = 32;
export const VHOST_PCI_REFERENCE_VRING_SIZE = 256;

/** Head of every control queue message; `size` counts the head too. */
export const VHOST_PCI_CTRL_HDR = {
  name: 'vhost_pci_ctrl_hdr',
  source: 'vhost-pci RFC 2.0',
  size: 4,
  fields: { class: at(0, 'u8'), cmd: at(1, 'u8'), size: at(2, 'u16') },
} as const satisfies Layout;

export const VHOST_PCI_CTRL_REMOTE_MEM = 0;
/** Reference form: regions lie back to back from offset 0 of BAR 2. */
export const VHOST_PCI_CTRL_REMOTE_MEM_PACKED = 0;
/** SESSION form: each region says where it lies. */
export const VHOST_PCI_CTRL_REMOTE_MEM_PLACED = 1;
export const VHOST_PCI_CTRL_REMOTE_QUEUES = 1;
/** SESSION: class of our own messages. */
export const VHOST_PCI_CTRL_SESSION = 2;
/** Device to driver: u64, the features that the peer's driver negotiated. */
export const VHOST_PCI_CTRL_SESSION_PEER_FEATURES = 0;
/** Device to driver: stop this ring and acknowledge. */
export const VHOST_PCI_CTRL_SESSION_QUEUE_STOP = 1;
/** Driver to device (device-readable buffer): the ring is quiet, here is its index. */
export const VHOST_PCI_CTRL_SESSION_QUEUE_STOPPED = 2;

/** Device to driver: the MTU of the peer's network, 0 when it told none. */
export const VHOST_PCI_CTRL_SESSION_PEER_MTU = 3;
/** Device to driver: make this MAC address known, which has come to the peer. */
export const VHOST_PCI_CTRL_SESSION_PEER_ANNOUNCE = 4;

/** Device to driver (LINK_REASON): why there is no link, as UTF-8 text. */
export const VHOST_PCI_CTRL_SESSION_LINK_REASON = 5;
/** Bytes of such a text at most. */
export const VHOST_PCI_LINK_REASON_MAX = 256;

export const VHOST_PCI_PEER_MTU = {
  name: 'vhost_pci_peer_mtu',
  source: 'docs/device-abi.md, SESSION',
  size: 4,
  fields: { mtu: at(0, 'u16'), padding: at(2, 'u16') },
} as const satisfies Layout;

/** Six bytes of MAC address, then two of padding. */
export const VHOST_PCI_PEER_ANNOUNCE_BYTES = 8;

/** What an Ethernet link may have: RFC 791 asks for 68 at least. */
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
    /** Ours: numbers each time that a ring is given to a driver, never 0 for a ring that runs. */
    serial: at(2, 'u16'),
    vring_enable: at(4, 's32'),
    vring_num: at(8, 'u32'),
    desc_gpa: at(16, 'u64'),
    avail_gpa: at(24, 'u64'),
    used_gpa: at(32, 'u64'),
  },
} as const satisfies Layout;

/** Over the head of the driver area of a local data queue: where its engine stands in a packed ring of the peer. */
export const VHOST_PCI_POSITION_WORDS = {
  name: 'vhost_pci_position_words',
  source: 'docs/device-abi.md, Position words',
  size: 6,
  fields: { shown: at(0, 'u16'), next: at(2, 'u16'), serial: at(4, 'u16') },
} as const satisfies Layout;

/** In the driver area too: by whose leave bursts touch the ring, and whether one is inside. A cache line each. */
export const VHOST_PCI_GATE_WORDS = {
  name: 'vhost_pci_gate_words',
  source: 'docs/device-abi.md, Gate words',
  size: 192,
  fields: { busy: at(64, 'u32'), allowed: at(128, 'u32') },
} as const satisfies Layout;

/** In `allowed`: the device has given up waiting; a burst that is inside is to leave without touching the ring. */
export const VHOST_PCI_GATE_REVOKED = 0xffff_ffff;

/** Alignment of a driver area that holds gate words. */
export const VHOST_PCI_GATE_ALIGN = 64;

/** QUEUE_STOP and QUEUE_STOPPED payload; last_avail_idx counts in QUEUE_STOPPED only. */
export const VHOST_PCI_QUEUE_STOP = {
  name: 'vhost_pci_queue_stop',
  source: 'docs/device-abi.md, SESSION',
  size: 8,
  fields: { index: at(0, 'u16'), last_avail_idx: at(2, 'u16'), token: at(4, 'u32') },
} as const satisfies Layout;

/**
 * Device feature bits of our own, in the device-specific range above all that virtio-net has taken.
 * SESSION: the peer may come and go while the function stays; messages of class 2 and the placed memory form are used.
 * REMAP: the driver can read a memory BAR's region again after a REMOTE_MEM message, so that a peer may come back
 * with another memory file (a vfio-user client in the driver's own process can; a guest kernel cannot).
 * GATE, which needs SESSION: rings are taken back through the gate words, without QUEUE_STOP.
 * LINK_REASON: the driver is told in words why there is no link.
 */
export const VHOST_PCI_F_SESSION = 112;
export const VHOST_PCI_F_REMAP = 113;
export const VHOST_PCI_F_GATE = 114;
export const VHOST_PCI_F_LINK_REASON = 115;

/** MSI-X vectors: 0 configuration, 1 control queue, 2 + k data queue k. */
export const VHOST_PCI_VECTOR_CONFIG = 0;
export const VHOST_PCI_VECTOR_CTRL = 1;
export const VHOST_PCI_VECTOR_QUEUES = 2;
