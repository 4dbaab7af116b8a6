// SPDX-License-Identifier: BSD-3-Clause
// Split virtqueues (VIRTIO 1.2, section 2.7) and packed ones (section 2.8). Reserved feature bits, section 6.
import { at, type Layout } from './layout.ts';

export const VRING_DESC = {
  name: 'vring_desc',
  source: 'VIRTIO 1.2, 2.7.5',
  size: 16,
  fields: { addr: at(0, 'u64'), len: at(8, 'u32'), flags: at(12, 'u16'), next: at(14, 'u16') },
} as const satisfies Layout;

export const VRING_DESC_F_NEXT = 1;
export const VRING_DESC_F_WRITE = 2;
export const VRING_DESC_F_INDIRECT = 4;

/** Header of the available ring; le16 ring[queue size] follows, then le16 used_event with EVENT_IDX. */
export const VRING_AVAIL = {
  name: 'vring_avail',
  source: 'VIRTIO 1.2, 2.7.6',
  size: 4,
  fields: { flags: at(0, 'u16'), idx: at(2, 'u16') },
} as const satisfies Layout;

export const VRING_AVAIL_F_NO_INTERRUPT = 1;

/** Header of the used ring; 8-byte elements follow, then le16 avail_event with EVENT_IDX. */
export const VRING_USED = {
  name: 'vring_used',
  source: 'VIRTIO 1.2, 2.7.8',
  size: 4,
  fields: { flags: at(0, 'u16', 'ro'), idx: at(2, 'u16', 'ro') },
} as const satisfies Layout;

export const VRING_USED_ELEM = {
  name: 'vring_used_elem',
  source: 'VIRTIO 1.2, 2.7.8',
  size: 8,
  fields: { id: at(0, 'u32', 'ro'), len: at(4, 'u32', 'ro') },
} as const satisfies Layout;

export const VRING_USED_F_NO_NOTIFY = 1;

/** A descriptor of a packed ring: its flags show which side wrote it last. */
export const PVIRTQ_DESC = {
  name: 'pvirtq_desc',
  source: 'VIRTIO 1.2, 2.8.13',
  size: 16,
  fields: { addr: at(0, 'u64'), len: at(8, 'u32'), id: at(12, 'u16'), flags: at(14, 'u16') },
} as const satisfies Layout;

export const VRING_PACKED_DESC_F_AVAIL = 1 << 7;
export const VRING_PACKED_DESC_F_USED = 1 << 15;

/** The driver area and the device area of a packed ring. */
export const PVIRTQ_EVENT_SUPPRESS = {
  name: 'pvirtq_event_suppress',
  source: 'VIRTIO 1.2, 2.8.14',
  size: 4,
  fields: { off_wrap: at(0, 'u16'), flags: at(2, 'u16') },
} as const satisfies Layout;

/** The wrap counter next to a slot number, in event structures and in vhost-user's VRING_BASE. */
export const VRING_PACKED_WRAP = 1 << 15;
/** Initial position in a packed ring: slot 0, wrap counter 1 (VIRTIO 1.2, 2.8.1). */
export const VRING_PACKED_START = VRING_PACKED_WRAP;
/** Alignment of the event structures, VIRTIO 1.2 section 2.8.10. */
export const VRING_PACKED_EVENT_ALIGN = 4;

/** Alignment of the three parts, VIRTIO 1.2 section 2.7. */
export const VRING_DESC_ALIGN = 16;
export const VRING_AVAIL_ALIGN = 2;
export const VRING_USED_ALIGN = 4;
export const VRING_MAX_SIZE = 32768;

/** Bytes of each part of a split ring of `size` entries, including the event words. */
export const vringDescBytes = (size: number): number => VRING_DESC.size * size;
export const vringAvailBytes = (size: number): number => VRING_AVAIL.size + 2 * size + 2;
export const vringUsedBytes = (size: number): number => VRING_USED.size + VRING_USED_ELEM.size * size + 2;

/** Feature bit numbers, VIRTIO 1.2 section 6. */
export const VIRTIO_F_RING_INDIRECT_DESC = 28;
export const VIRTIO_F_RING_EVENT_IDX = 29;
export const VIRTIO_F_VERSION_1 = 32;
export const VIRTIO_F_ACCESS_PLATFORM = 33;
export const VIRTIO_F_RING_PACKED = 34;
export const VIRTIO_F_IN_ORDER = 35;
export const VIRTIO_F_ORDER_PLATFORM = 36;
export const VIRTIO_F_NOTIFICATION_DATA = 38;
export const VIRTIO_F_RING_RESET = 40;
