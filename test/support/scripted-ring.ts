// SPDX-License-Identifier: BSD-3-Clause
// A split ring in the driver role for tests of the device role: slow, allocating, and able to post any shape of chain. It
// owns a stretch of memory for buffers, which it hands out in order and takes back when a chain is collected.
// Descriptors and indices can also be written raw, to break rules on purpose.
import { decode, encode, readField, writeField } from '../../src/abi/layout.ts';
import {
  VRING_AVAIL,
  VRING_DESC,
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  VRING_USED,
  VRING_USED_ELEM,
} from '../../src/abi/virtio-ring.ts';
import { availOffset, clearRing, descOffset, type RingPlace, usedOffset } from '../../tools/peer/layout.ts';

export interface ScriptedRingOptions {
  /** The memory that the device sees. */
  readonly memory: ArrayBuffer;
  /** Guest-physical address of its first byte. */
  readonly gpa: bigint;
  readonly ring: RingPlace;
  /** Byte offsets of the memory for buffers: [first, end). */
  readonly buffers: { readonly first: number; readonly end: number };
  /** Index at which both rings start; 0. Near 65535 it tests the wrap. */
  readonly startIndex?: number;
}

/** One buffer of a chain: bytes for the device to read, or room for it to write. */
export type Segment = { readonly data: Uint8Array } | { readonly room: number };

export interface PostOptions {
  /** Puts the chain into an indirect table. */
  readonly indirect?: boolean;
  /** Writes the available entry but not the index: publish() does. */
  readonly hold?: boolean;
}

export interface UsedChain {
  /** Head of the chain, as the device wrote it. */
  readonly id: number;
  readonly len: number;
  /** The chain's device-writable bytes, up to `len`; empty for an id that was not posted. */
  readonly written: Uint8Array;
}

interface Placed {
  readonly offset: number;
  readonly length: number;
  readonly writable: boolean;
}

interface Chain {
  readonly segments: readonly Placed[];
  /** Descriptors of the table that it takes. */
  readonly descriptors: readonly number[];
}

export interface RawDescriptor {
  readonly addr?: bigint;
  readonly len?: number;
  readonly flags?: number;
  readonly next?: number;
}

export class ScriptedRing {
  readonly ring: RingPlace;
  readonly gpa: bigint;
  readonly view: DataView;
  readonly #bytes: Uint8Array;
  readonly #buffers: { readonly first: number; readonly end: number };
  #nextBuffer: number;
  readonly #free: number[];
  readonly #chains = new Map<number, Chain>();
  #avail: number;
  #used: number;

  constructor(options: ScriptedRingOptions) {
    this.ring = options.ring;
    this.gpa = options.gpa;
    this.view = new DataView(options.memory);
    this.#bytes = new Uint8Array(options.memory);
    this.#buffers = options.buffers;
    this.#nextBuffer = options.buffers.first;
    this.#free = Array.from({ length: options.ring.size }, (_, index) => index);
    clearRing(this.view, this.ring);
    this.#avail = (options.startIndex ?? 0) & 0xffff;
    this.#used = this.#avail;
    this.setAvailIdx(this.#avail);
    writeField(this.view, VRING_USED.fields.idx, this.#avail, this.ring.used);
  }

  /** The ring's parts as guest-physical addresses, with its size and start index: what a RingSetup of the device role needs. */
  setup(): { desc: bigint; avail: bigint; used: bigint; size: number; lastAvailIdx: number } {
    const { desc, avail, used, size } = this.ring;
    return {
      desc: this.address(desc),
      avail: this.address(avail),
      used: this.address(used),
      size,
      lastAvailIdx: this.#used,
    };
  }

  /** Guest-physical address of a byte offset. */
  address(offset: number): bigint {
    return this.gpa + BigInt(offset);
  }

  /** Descriptors that are free. */
  get free(): number {
    return this.#free.length;
  }

  /** Posts one chain of any shape and returns its head. Throws when descriptors or buffer memory run out. */
  post(segments: readonly Segment[], options: PostOptions = {}): number {
    const placed = segments.map((segment) => this.#place(segment));
    const descriptors = this.#takeDescriptors(options.indirect ? 1 : placed.length);
    const head = descriptors[0] as number;
    if (options.indirect) this.#writeIndirect(head, placed);
    else
      this.#writeChain(
        placed,
        (position) => descOffset(this.ring, descriptors[position] as number),
        descriptors,
      );
    this.#chains.set(head, { segments: placed, descriptors });
    this.postHead(head);
    if (!options.hold) this.publish();
    return head;
  }

  /** Writes one descriptor as it is told, right or wrong. */
  writeDescriptor(index: number, raw: RawDescriptor): void {
    encode(VRING_DESC, raw, this.view, descOffset(this.ring, index));
  }

  /** Writes the next available entry without looking at it; publish() shows it to the device. */
  postHead(head: number): void {
    this.view.setUint16(availOffset(this.ring, this.#avail), head, true);
    this.#avail = (this.#avail + 1) & 0xffff;
  }

  /** Shows all entries to the device. */
  publish(): void {
    this.setAvailIdx(this.#avail);
  }

  /** Writes the available index as it is told. */
  setAvailIdx(index: number): void {
    const at = this.ring.avail + VRING_AVAIL.fields.idx.offset;
    Atomics.store(new Uint16Array(this.view.buffer, at, 1), 0, index & 0xffff);
  }

  setAvailFlags(flags: number): void {
    writeField(this.view, VRING_AVAIL.fields.flags, flags, this.ring.avail);
  }

  get usedIdx(): number {
    return readField(this.view, VRING_USED.fields.idx, this.ring.used);
  }

  get usedFlags(): number {
    return readField(this.view, VRING_USED.fields.flags, this.ring.used);
  }

  /** Everything that the device returned since the last call, in its order. Descriptors and buffers are free again. */
  collect(): UsedChain[] {
    const chains: UsedChain[] = [];
    const end = this.usedIdx;
    while (this.#used !== end) {
      const { id, len } = decode(VRING_USED_ELEM, this.view, usedOffset(this.ring, this.#used));
      this.#used = (this.#used + 1) & 0xffff;
      chains.push({ id, len, written: this.#finish(id, len) });
    }
    return chains;
  }

  /** A copy of bytes of the memory. */
  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(offset, offset + length);
  }

  #finish(id: number, len: number): Uint8Array {
    const chain = this.#chains.get(id);
    if (!chain) return new Uint8Array();
    this.#chains.delete(id);
    this.#free.push(...chain.descriptors);
    const parts: Uint8Array[] = [];
    let left = len;
    for (const { offset, length, writable } of chain.segments) {
      if (!writable || left <= 0) continue;
      parts.push(this.read(offset, Math.min(length, left)));
      left -= length;
    }
    if (this.#chains.size === 0) this.#nextBuffer = this.#buffers.first;
    return Uint8Array.from(Buffer.concat(parts));
  }

  #place(segment: Segment): Placed {
    const writable = 'room' in segment;
    const length = writable ? segment.room : segment.data.length;
    const offset = this.#takeBuffer(length);
    if (writable) this.#bytes.fill(0, offset, offset + length);
    else this.#bytes.set(segment.data, offset);
    return { offset, length, writable };
  }

  #takeBuffer(length: number): number {
    const offset = this.#nextBuffer;
    if (offset + length > this.#buffers.end)
      throw new Error('The scripted ring has no buffer memory left: collect() first');
    this.#nextBuffer += length;
    return offset;
  }

  #takeDescriptors(count: number): number[] {
    if (count < 1 || count > this.#free.length) {
      throw new Error(`The scripted ring has ${this.#free.length} free descriptors, ${count} were asked for`);
    }
    return this.#free.splice(0, count);
  }

  #writeIndirect(head: number, placed: readonly Placed[]): void {
    this.#nextBuffer = Math.ceil(this.#nextBuffer / 16) * 16;
    const table = this.#takeBuffer(VRING_DESC.size * placed.length);
    this.#writeChain(
      placed,
      (position) => table + VRING_DESC.size * position,
      placed.map((_, position) => position),
    );
    this.writeDescriptor(head, {
      addr: this.address(table),
      len: VRING_DESC.size * placed.length,
      flags: VRING_DESC_F_INDIRECT,
    });
  }

  #writeChain(placed: readonly Placed[], place: (position: number) => number, ids: readonly number[]): void {
    placed.forEach(({ offset, length, writable }, position) => {
      const next = ids[position + 1];
      const flags = (writable ? VRING_DESC_F_WRITE : 0) | (next === undefined ? 0 : VRING_DESC_F_NEXT);
      const descriptor = { addr: this.address(offset), len: length, flags, next: next ?? 0 };
      encode(VRING_DESC, descriptor, this.view, place(position));
    });
  }
}
