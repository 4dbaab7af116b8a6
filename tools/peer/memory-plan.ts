// SPDX-License-Identifier: BSD-3-Clause
// Layout of the peer's rings and buffers in its single memory file. Pure: numbers in, offsets out. The file
// has three addresses that differ on purpose (its offset, its guest-physical address and its address in the
// front-end's process): a back-end that mixes them up fails at once instead of working by luck.
import { VIRTIO_NET_HDR } from '../../src/abi/virtio-net.ts';
import {
  VRING_AVAIL,
  VRING_DESC,
  VRING_MAX_SIZE,
  VRING_USED,
  VRING_USED_ELEM,
  vringAvailBytes,
  vringDescBytes,
  vringUsedBytes,
} from '../../src/abi/virtio-ring.ts';
import { alignUp, HUGE_PAGE, PAGE } from '../../src/alignment.ts';
import { PmdError } from '../../src/errors.ts';

/** Guest-physical address of the memory's first byte. */
export const PEER_GPA = 0x4000_0000n;
/** Address of the same byte in the front-end's process, as reported to the back-end. */
export const PEER_USERSPACE = 0x7f00_0000_0000n;

/** Limits of the frames that the peer sends, without FCS. */
export const MIN_FRAME = 60;
export const MAX_FRAME = 9216;

/**
 * A receive buffer when frames may be spread over several (MRG_RXBUF), header included. An odd number of
 * cache lines: buffers a power of two apart share a few sets of every cache, which costs a factor of five or
 * more at 64 bytes.
 */
export const MERGEABLE_BUFFER = 33 * 64;

const CACHE_LINE = 64;

/**
 * Byte offsets of the three parts of a ring in the memory; those of a split ring are large enough for a
 * packed one.
 */
export interface RingPlace {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  /** Entries. */
  readonly size: number;
}

export interface QueuePlace extends RingPlace {
  /** Byte offset of buffer 0; buffer i is `i * bufferSize` after it. */
  readonly buffers: number;
  readonly bufferSize: number;
}

export interface PairPlace {
  /** virtio queue 2i: the back-end writes frames here. */
  readonly rx: QueuePlace;
  /** virtio queue 2i + 1. */
  readonly tx: QueuePlace;
}

export interface MemoryPlan {
  /** Size of the memory file, whole hugepages. */
  readonly bytes: number;
  readonly pairs: readonly PairPlace[];
}

export interface PlanOptions {
  readonly pairs: number;
  readonly queueSize: number;
  /** Longest frame to send or (without mergeable buffers) to receive, bytes without FCS. */
  readonly frameSize: number;
  readonly mergeable: boolean;
  /** Packed rings, which may have any number of entries. */
  readonly packed?: boolean;
}

/** Lays out all queue pairs. Throws VPCI_QUEUE_SIZE for a size that this kind of ring cannot have. */
export function planMemory(options: PlanOptions): MemoryPlan {
  const { queueSize } = options;
  const odd = options.packed !== true && (queueSize & (queueSize - 1)) !== 0;
  if (queueSize < 2 || queueSize > VRING_MAX_SIZE || odd) {
    const limits = `2 to ${VRING_MAX_SIZE}${odd ? ', a power of two for split rings' : ''}`;
    throw new PmdError('VPCI_QUEUE_SIZE', `Failed to lay out a ring of ${queueSize} entries: ${limits}`);
  }
  let end = 0;
  const take = (bytes: number, alignment: number): number => {
    const offset = alignUp(end, alignment);
    end = offset + bytes;
    return offset;
  };
  const queue = (bufferSize: number): QueuePlace => ({
    // Parts written by different sides never share a cache line.
    desc: take(vringDescBytes(queueSize), PAGE),
    avail: take(vringAvailBytes(queueSize), CACHE_LINE),
    used: take(vringUsedBytes(queueSize), CACHE_LINE),
    size: queueSize,
    buffers: take(queueSize * bufferSize, PAGE),
    bufferSize,
  });
  const whole = bufferFor(options.frameSize);
  const pairs = Array.from({ length: options.pairs }, () => ({
    rx: queue(options.mergeable ? MERGEABLE_BUFFER : whole),
    tx: queue(whole),
  }));
  // Hugepage files consist of whole pages of this size.
  return { bytes: alignUp(end, HUGE_PAGE), pairs };
}

/**
 * Bytes of a buffer for the header and one frame of `frameSize` bytes, at least enough for a standard MTU.
 */
export function bufferFor(frameSize: number): number {
  const lines = Math.ceil((VIRTIO_NET_HDR.size + frameSize) / CACHE_LINE);
  return Math.max(MERGEABLE_BUFFER, (lines | 1) * CACHE_LINE);
}

/** Number of receive buffers that one frame occupies. */
export function buffersPerFrame(place: QueuePlace, frameSize: number): number {
  return Math.ceil((VIRTIO_NET_HDR.size + frameSize) / place.bufferSize);
}

/** Clears a ring, as a driver does before it announces the ring to the device. */
export function clearRing(view: DataView, ring: RingPlace): void {
  const bytes = (offset: number, length: number) =>
    new Uint8Array(view.buffer, view.byteOffset + offset, length);
  bytes(ring.desc, vringDescBytes(ring.size)).fill(0);
  bytes(ring.avail, vringAvailBytes(ring.size)).fill(0);
  bytes(ring.used, vringUsedBytes(ring.size)).fill(0);
}

/** Byte offset of descriptor `index`. */
export const descOffset = (ring: RingPlace, index: number): number => ring.desc + VRING_DESC.size * index;
/** Byte offset of the available ring's entry for the free-running index `index`. */
export const availOffset = (ring: RingPlace, index: number): number =>
  ring.avail + VRING_AVAIL.size + 2 * (index & (ring.size - 1));
/** Byte offset of the used ring's element for the free-running index `index`. */
export const usedOffset = (ring: RingPlace, index: number): number =>
  ring.used + VRING_USED.size + VRING_USED_ELEM.size * (index & (ring.size - 1));
