// SPDX-License-Identifier: BSD-3-Clause
// What the back-end needs to know about the two ring formats: their parts and sizes, and how vhost-user
// encodes a position.
import {
  PVIRTQ_EVENT_SUPPRESS,
  VRING_AVAIL_ALIGN,
  VRING_DESC_ALIGN,
  VRING_MAX_SIZE,
  VRING_PACKED_EVENT_ALIGN,
  VRING_PACKED_WRAP,
  VRING_USED_ALIGN,
  vringAvailBytes,
  vringDescBytes,
  vringUsedBytes,
} from '../../../src/abi/virtio-ring.ts';

/** Descriptor, driver and device area (VIRTIO 1.2, 2.6). */
export interface RingAddresses {
  readonly desc: bigint;
  readonly avail: bigint;
  readonly used: bigint;
}

interface Parts {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
}

export interface RingFormat {
  readonly align: Parts;
  bytes(num: number): Parts;
  hasSize(num: number): boolean;
  /** The position encoded in the number of SET_VRING_BASE; null if it is not a valid one. */
  readBase(num: number): number | null;
  /** Whether this place exists in a ring of `num` entries. */
  hasPlace(place: number, num: number): boolean;
  /** The number for the reply to GET_VRING_BASE. */
  writeBase(place: number): number;
}

/** VIRTIO 1.2, section 2.7. A place is the free-running index of an available entry. */
export const SPLIT: RingFormat = {
  align: { desc: VRING_DESC_ALIGN, avail: VRING_AVAIL_ALIGN, used: VRING_USED_ALIGN },
  bytes: (num) => ({ desc: vringDescBytes(num), avail: vringAvailBytes(num), used: vringUsedBytes(num) }),
  hasSize: (num) => num >= 1 && num <= VRING_MAX_SIZE && (num & (num - 1)) === 0,
  readBase: (num) => (num <= 0xffff ? num : null),
  hasPlace: () => true,
  writeBase: (place) => place,
};

/**
 * VIRTIO 1.2, section 2.8. A place is a slot and, in bit 15, the wrap counter. vhost-user sends one for the
 * available descriptors and, in the upper half, one for the used descriptors. They are the same for a
 * back-end that keeps order; some front-ends leave the upper half zero.
 */
export const PACKED: RingFormat = {
  align: { desc: VRING_DESC_ALIGN, avail: VRING_PACKED_EVENT_ALIGN, used: VRING_PACKED_EVENT_ALIGN },
  bytes: (num) => ({
    desc: vringDescBytes(num),
    avail: PVIRTQ_EVENT_SUPPRESS.size,
    used: PVIRTQ_EVENT_SUPPRESS.size,
  }),
  hasSize: (num) => num >= 1 && num <= VRING_MAX_SIZE,
  readBase: (num) => num & 0xffff,
  hasPlace: (place, num) => (place & ~VRING_PACKED_WRAP) < num,
  writeBase: (place) => ((place << 16) | place) >>> 0,
};

export function isAligned({ align }: RingFormat, { desc, avail, used }: RingAddresses): boolean {
  return (
    desc % BigInt(align.desc) === 0n && avail % BigInt(align.avail) === 0n && used % BigInt(align.used) === 0n
  );
}
