// SPDX-License-Identifier: BSD-3-Clause
// Work in the peer's own buffers: packets written where the peer receives them (the 0-copy transmit of vhost-pci), or read where
// the peer has sent them.
//
// Between reserve and commit, and between peek and release, the peer's memory can't go away: whoever stops the queue, or closes
// its port, waits. So do not wait for anything in between. Bursts on the queue do nothing meanwhile.
import { IN_PLACE_FIELDS, IN_PLACE_MAX, type MappingHandle, native, type QueueHandle } from '../native.ts';
import type { MbufVector } from './mempool.ts';

/** Where packets are in the peer's memory: those that one reserve or peek told of lie together. Valid until commit or release. */
export class InPlaceSlots {
  /** Byte offset of packet i in `bytes()`; the network header before it is none of the application's business. */
  readonly offset: Uint32Array;
  /** Most bytes that packet i may have. */
  readonly room: Uint32Array;
  /** Bytes of packet i: told by peek, to be set before commit. */
  readonly length: Uint32Array;
  /** Mapping and window. */
  readonly #place: Uint32Array;
  #bytes = new Uint8Array(0);
  #words = new Uint32Array(0);
  #viewMapping = -1;
  #viewWindow = -1;

  constructor(queue: QueueHandle) {
    const buffer = native.queueSlots(queue);
    const field = (name: (typeof IN_PLACE_FIELDS)[number]) =>
      new Uint32Array(buffer, IN_PLACE_FIELDS.indexOf(name) * 4 * IN_PLACE_MAX, IN_PLACE_MAX);
    this.offset = field('offset');
    this.room = field('room');
    this.length = field('length');
    this.#place = new Uint32Array(buffer, IN_PLACE_FIELDS.length * 4 * IN_PLACE_MAX, 2);
  }

  /** HOT. The memory that the packets lie in. Touch `offset[i]` to `offset[i] + room[i]` and nothing else. */
  bytes(): Uint8Array {
    if (this.#place[0] !== this.#viewMapping || this.#place[1] !== this.#viewWindow) this.#view();
    return this.#bytes;
  }

  /** HOT. The same memory in 32-bit words, for packets whose offset is a multiple of 4. */
  words(): Uint32Array {
    if (this.#place[0] !== this.#viewMapping || this.#place[1] !== this.#viewWindow) this.#view();
    return this.#words;
  }

  /** Another memory than before: seldom, and the only place that allocates. */
  #view(): void {
    const [mapping, window] = this.#place;
    const buffer = native.mappingWindow(mapping as MappingHandle, window);
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer, 0, buffer.byteLength >>> 2);
    this.#viewMapping = mapping;
    this.#viewWindow = window;
  }
}

/** Packets written in the peer's receive buffers. */
export class TxInPlace {
  readonly slots: InPlaceSlots;
  readonly #queue: QueueHandle;

  constructor(queue: QueueHandle) {
    this.#queue = queue;
    this.slots = new InPlaceSlots(queue);
  }

  /**
   * HOT. Reserves up to `n` (at most 64) receive buffers of the peer, in ring order; returns how many. 0: there is none, or the next is of a
   * shape that only a burst can fill (several descriptors), or some are reserved already.
   */
  reserve(n: number): number {
    return native.txReserve(this.#queue, n);
  }

  /**
   * HOT. Sends the first `n` of the reserved buffers with the lengths in `slots.length` and gives up the rest. Stops before a length of 0 or
   * beyond the room. Returns how many were sent.
   */
  commit(n: number): number {
    return native.txCommit(this.#queue, n);
  }

  /**
   * HOT. Sends one packet many times, for generators: up to `n` packets of `length` bytes, each of which starts with the bytes of
   * `pkts.ids[0]`, an mbuf of one segment and at most `length` bytes that stays the caller's; the rest of each is what the peer's buffer
   * held before. Bytes that a buffer has already, from its last round, are not written, so that their line stays in the caches of both
   * cores. Returns how many were sent, 0 when no buffer is there; -1 when a burst is needed: the next buffer is too small, or has a shape that
   * only a burst can fill, or `pkts.ids[0]` is no such packet.
   */
  repeat(pkts: MbufVector, length: number, n: number): number {
    return native.txRepeat(this.#queue, pkts.handle, length, n);
  }
}

/**
 * Packets read where the peer has sent them. Only for peers that you trust: their bytes may change between two looks, so
 * what was checked need not be what is used.
 */
export class RxInPlace {
  readonly slots: InPlaceSlots;
  readonly #queue: QueueHandle;

  constructor(queue: QueueHandle) {
    this.#queue = queue;
    this.slots = new InPlaceSlots(queue);
  }

  /**
   * HOT. Shows up to `n` (at most 64) packets; returns how many. 0: there is none, or the next needs a burst: it is in several pieces,
   * leaves checksum or segmentation to us, or announces an address that came to the peer.
   */
  peek(n: number): number {
    return native.rxPeek(this.#queue, n);
  }

  /** HOT. Gives the first `n` packets back to the peer; the rest stay for the next peek or burst. Returns how many. */
  release(n: number): number {
    return native.rxRelease(this.#queue, n);
  }
}
