// SPDX-License-Identifier: BSD-3-Clause
// A split virtqueue in the driver role (VIRTIO 1.2, 2.7), in DMA memory. The device is not trusted: private
// memory records which descriptor chains are outstanding and how many bytes may be written to each, and the
// used ring is checked against these records. A ring that fails the check is broken for good.
import {
  VRING_AVAIL,
  VRING_DESC,
  VRING_DESC_ALIGN,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  VRING_USED,
  VRING_USED_ALIGN,
  VRING_USED_ELEM,
  VRING_USED_F_NO_NOTIFY,
  vringAvailBytes,
  vringDescBytes,
  vringUsedBytes,
} from '../abi/virtio-ring.ts';
import { alignUp } from '../alignment.ts';
import type { DmaMemory } from '../bus/pci-device.ts';
import { PmdError } from '../errors.ts';
import type { QueueAddresses } from './modern-transport.ts';

/** A buffer of a descriptor chain. */
export interface RingBuffer {
  /** Address as the device sees it. */
  readonly iova: bigint;
  /** Bytes. */
  readonly length: number;
}

export interface UsedChain {
  /** The token that the caller passed to `add`. */
  readonly token: number;
  /** Bytes that the device wrote. */
  readonly written: number;
}

interface Outstanding {
  readonly token: number;
  readonly descriptors: readonly number[];
  readonly writableBytes: number;
}

/**
 * The driver area starts on a cache line, since some devices use words there (docs/device-abi.md, "Gate
 * words").
 */
const LINE = 64;
const availStart = (size: number): number => alignUp(vringDescBytes(size), LINE);
const usedStart = (size: number, driverBytes: number): number =>
  alignUp(availStart(size) + Math.max(vringAvailBytes(size), driverBytes), VRING_USED_ALIGN);

/**
 * Bytes of a contiguous ring of `size` entries, a multiple of the ring alignment; its driver area has at
 * least `driverBytes`.
 */
export const localRingBytes = (size: number, driverBytes = 0): number =>
  alignUp(usedStart(size, driverBytes) + vringUsedBytes(size), VRING_DESC_ALIGN);

export class LocalRing {
  readonly size: number;
  readonly addresses: QueueAddresses;
  readonly #desc: DataView;
  readonly #avail: Uint16Array;
  readonly #used: Uint16Array;
  readonly #usedElements: DataView;
  readonly #free: number[];
  readonly #outstanding = new Map<number, Outstanding>();
  #availIdx = 0;
  #lastUsedIdx = 0;
  #broken = false;

  /** A ring of `size` entries (a power of two) at byte `offset` (a multiple of 16) of `memory`, cleared. */
  constructor(memory: DmaMemory, offset: number, size: number, driverBytes = 0) {
    if (size < 1 || size > 32768 || (size & (size - 1)) !== 0 || offset % VRING_DESC_ALIGN !== 0) {
      throw new RangeError(`A ring of ${size} entries at ${offset}`);
    }
    const bytes = localRingBytes(size, driverBytes);
    const usedAt = offset + usedStart(size, driverBytes);
    if (offset + bytes > memory.size) throw new RangeError('The ring does not fit in its memory');
    const { buffer, iova } = memory;
    this.size = size;
    new Uint8Array(buffer, offset, bytes).fill(0);
    this.#desc = new DataView(buffer, offset, vringDescBytes(size));
    this.#avail = new Uint16Array(buffer, offset + availStart(size), vringAvailBytes(size) / 2);
    this.#used = new Uint16Array(buffer, usedAt, 2);
    this.#usedElements = new DataView(buffer, usedAt + VRING_USED.size, size * VRING_USED_ELEM.size);
    this.#free = Array.from({ length: size }, (_, index) => size - 1 - index);
    this.addresses = {
      desc: iova + BigInt(offset),
      driver: iova + BigInt(offset + availStart(size)),
      device: iova + BigInt(usedAt),
    };
  }

  /** Number of free descriptors. */
  get available(): number {
    return this.#free.length;
  }

  get broken(): boolean {
    return this.#broken;
  }

  /**
   * Makes a chain available to the device: `readable` buffers, then `writable` ones (2.7.4.2). False, without
   * effect, if there are not enough free descriptors. `token` is returned with the used chain.
   */
  add(token: number, readable: readonly RingBuffer[], writable: readonly RingBuffer[]): boolean {
    const count = readable.length + writable.length;
    if (count === 0) throw new RangeError('An empty chain');
    if (count > this.#free.length || this.#broken) return false;
    const descriptors = this.#free.splice(this.#free.length - count).reverse();
    const pieces = [...readable, ...writable];
    pieces.forEach((piece, position) => {
      const last = position === count - 1;
      const flags = (position >= readable.length ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT);
      this.#writeDescriptor(
        descriptors[position] as number,
        piece,
        flags,
        last ? 0 : (descriptors[position + 1] as number),
      );
    });
    const writableBytes = writable.reduce((sum, { length }) => sum + length, 0);
    const head = descriptors[0] as number;
    this.#outstanding.set(head, { token, descriptors, writableBytes });
    this.#publish(head);
    return true;
  }

  /** True if the device requests a notification of available buffers (2.7.10). */
  get wantsNotify(): boolean {
    // A sequentially consistent load after the store of the index: neither side may miss the other
    // (2.7.13.4.1).
    return (Atomics.load(this.#used, 0) & VRING_USED_F_NO_NOTIFY) === 0;
  }

  /**
   * The next used chain, or null. Throws VPCI_BAD_RING on an invalid used ring, and the ring is then broken.
   */
  collect(): UsedChain | null {
    if (this.#broken) return null;
    // Acquire: the element was written before the index (2.7.8.2).
    const usedIdx = Atomics.load(this.#used, 1);
    const pending = (usedIdx - this.#lastUsedIdx) & 0xffff;
    if (pending === 0) return null;
    if (pending > this.#outstanding.size)
      throw this.#break(`${pending} used chains of ${this.#outstanding.size}`);
    const element = (this.#lastUsedIdx & (this.size - 1)) * VRING_USED_ELEM.size;
    const id = this.#usedElements.getUint32(element + VRING_USED_ELEM.fields.id.offset, true);
    const written = this.#usedElements.getUint32(element + VRING_USED_ELEM.fields.len.offset, true);
    const chain = this.#outstanding.get(id);
    if (!chain) throw this.#break(`used id ${id} is not outstanding`);
    if (written > chain.writableBytes)
      throw this.#break(`${written} bytes written to ${chain.writableBytes}`);
    this.#outstanding.delete(id);
    for (const descriptor of chain.descriptors) this.#free.push(descriptor);
    this.#lastUsedIdx = (this.#lastUsedIdx + 1) & 0xffff;
    return { token: chain.token, written };
  }

  #writeDescriptor(index: number, piece: RingBuffer, flags: number, next: number): void {
    const base = index * VRING_DESC.size;
    const { addr, len, flags: flagsField, next: nextField } = VRING_DESC.fields;
    this.#desc.setBigUint64(base + addr.offset, piece.iova, true);
    this.#desc.setUint32(base + len.offset, piece.length, true);
    this.#desc.setUint16(base + flagsField.offset, flags, true);
    this.#desc.setUint16(base + nextField.offset, next, true);
  }

  #publish(head: number): void {
    const ring = VRING_AVAIL.size / 2;
    this.#avail[ring + (this.#availIdx & (this.size - 1))] = head;
    this.#availIdx = (this.#availIdx + 1) & 0xffff;
    // Release: the device must see descriptors and ring entry before the index (2.7.13.3.1).
    Atomics.store(this.#avail, 1, this.#availIdx);
  }

  #break(what: string): PmdError {
    this.#broken = true;
    return new PmdError('VPCI_BAD_RING', `The device violated the rules of a local ring: ${what}`);
  }
}
