// SPDX-License-Identifier: BSD-3-Clause
// Access to packets in the peer's own buffers: writing them where the peer receives them (vhost-pci's
// zero-copy transmit), or reading them where the peer has sent them.
//
// Between reserve and commit, and between peek and release, the peer's memory cannot go away: stopping the
// queue or closing its port waits. So do not block in between. Bursts on the queue do nothing meanwhile.
//
// While the queue is captured, packets need a burst: nothing is reserved, shown or repeated.
import { IN_PLACE_FIELDS, IN_PLACE_MAX, type MappingHandle, native, type QueueHandle } from '../native.ts';
import type { CapturePoint } from './capture-point.ts';
import type { MbufVector } from './mempool.ts';

/**
 * Where the packets of one reserve or peek are in the peer's memory, all in the same window of the same
 * mapping. Valid until commit or release. The arrays have 64 entries.
 *
 * @example
 * const { offset, length } = slots;
 * slots.bytes().set(frame, offset[i]);
 * length[i] = frame.length;
 */
export class InPlaceSlots {
  /** Byte offset of packet i in `bytes()`. The network header before it is not the application's concern. */
  readonly offset: Uint32Array;
  /** Maximum length of packet i in bytes. */
  readonly room: Uint32Array;
  /** Length of packet i in bytes: set by peek; must be set by the application before commit. */
  readonly length: Uint32Array;
  /** Mapping and window of the packets. */
  readonly #place: Uint32Array;
  #bytes = new Uint8Array(0);
  #words = new Uint32Array(0);
  #viewMapping = -1;
  #viewWindow = -1;

  /** @internal */
  constructor(queue: QueueHandle) {
    const buffer = native.queueSlots(queue);
    const field = (name: (typeof IN_PLACE_FIELDS)[number]) =>
      new Uint32Array(buffer, IN_PLACE_FIELDS.indexOf(name) * 4 * IN_PLACE_MAX, IN_PLACE_MAX);
    this.offset = field('offset');
    this.room = field('room');
    this.length = field('length');
    this.#place = new Uint32Array(buffer, IN_PLACE_FIELDS.length * 4 * IN_PLACE_MAX, 2);
  }

  /** HOT. The memory that holds the packets. Access only `offset[i]` to `offset[i] + room[i]`. */
  bytes(): Uint8Array {
    if (this.#place[0] !== this.#viewMapping || this.#place[1] !== this.#viewWindow) this.#view();
    return this.#bytes;
  }

  /** HOT. The same memory as 32-bit words, for packets whose offset is a multiple of 4. */
  words(): Uint32Array {
    if (this.#place[0] !== this.#viewMapping || this.#place[1] !== this.#viewWindow) this.#view();
    return this.#words;
  }

  /** Switches to another memory than before: rare, and the only place that allocates. */
  #view(): void {
    const [mapping, window] = this.#place;
    const buffer = native.mappingWindow(mapping as MappingHandle, window);
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer, 0, buffer.byteLength >>> 2);
    this.#viewMapping = mapping;
    this.#viewWindow = window;
  }
}

/**
 * Writes packets in the peer's receive buffers: `inPlace` of a transmit queue of vhost-pci or net_ivshmem;
 * other ports' queues have none. For the thread that has the queue; nothing here throws.
 *
 * @example
 * const inPlace = tx.inPlace;
 * if (inPlace) {
 *   const { offset, room, length } = inPlace.slots;
 *   const n = inPlace.reserve(32);
 *   let ready = 0;
 *   for (; ready < n && room[ready] >= frame.length; ready++) {
 *     inPlace.slots.bytes().set(frame, offset[ready]);
 *     length[ready] = frame.length;
 *   }
 *   inPlace.commit(ready);
 * }
 */
export class TxInPlace {
  /** Where the packets of the last reserve or peek are. */
  readonly slots: InPlaceSlots;
  readonly #queue: QueueHandle;
  readonly #capture: CapturePoint;

  /** @internal */
  constructor(queue: QueueHandle, capture: CapturePoint) {
    this.#queue = queue;
    this.#capture = capture;
    this.slots = new InPlaceSlots(queue);
  }

  /**
   * HOT. Reserves up to `n` (at most 64) receive buffers of the peer in ring order; returns the number
   * reserved. 0: no buffer is available, or only a burst can fill the next one (it has several descriptors,
   * or the port is captured), or buffers are already reserved.
   */
  reserve(n: number): number {
    return this.#capture.on ? 0 : native.txReserve(this.#queue, n);
  }

  /**
   * HOT. Sends the first `n` reserved buffers with the lengths in `slots.length` and gives up the rest. Stops
   * at a length that is 0 or exceeds the room. Returns the number sent.
   */
  commit(n: number): number {
    return native.txCommit(this.#queue, n);
  }

  /**
   * HOT. Sends one packet many times, for generators: up to `n` packets of `length` bytes. Each starts with
   * the bytes of `pkts.ids[0]`, an mbuf of one segment and at most `length` bytes that remains the caller's;
   * the rest is whatever the peer's buffer held before. Bytes that a buffer still holds from its last use are
   * not written again, so that their cache line stays in the caches of both cores. Returns the number sent, 0
   * if no buffer is available, or -1 if a burst is needed: the next buffer is too small or has a shape that
   * only a burst can fill, `pkts.ids[0]` is not such a packet, or the port is captured.
   */
  repeat(pkts: MbufVector, length: number, n: number): number {
    return this.#capture.on ? -1 : native.txRepeat(this.#queue, pkts.handle, length, n);
  }
}

/**
 * Reads packets where the peer has sent them: `inPlace` of a receive queue of vhost-pci or net_ivshmem; other
 * ports' queues have none. Only for trusted peers: the peer can change the bytes between check and use. For
 * the thread that has the queue; nothing here throws.
 *
 * @example
 * const inPlace = rx.inPlace;
 * if (inPlace) {
 *   const { length } = inPlace.slots;
 *   const n = inPlace.peek(32);
 *   for (let i = 0; i < n; i++) bytes += length[i];
 *   inPlace.release(n);
 * }
 */
export class RxInPlace {
  /** Where the packets of the last reserve or peek are. */
  readonly slots: InPlaceSlots;
  readonly #queue: QueueHandle;
  readonly #capture: CapturePoint;

  /** @internal */
  constructor(queue: QueueHandle, capture: CapturePoint) {
    this.#queue = queue;
    this.#capture = capture;
    this.slots = new InPlaceSlots(queue);
  }

  /**
   * HOT. Exposes up to `n` (at most 64) packets; returns their number. 0: no packet is available, or the next
   * one needs a burst: it is in several pieces, leaves checksum or segmentation to us, is an announcement (an
   * address that moved to the peer), or the port is captured.
   */
  peek(n: number): number {
    return this.#capture.on ? 0 : native.rxPeek(this.#queue, n);
  }

  /**
   * HOT. Returns the first `n` packets to the peer; the rest stay for the next peek or burst. Returns the
   * number released.
   */
  release(n: number): number {
    return native.rxRelease(this.#queue, n);
  }
}
