// SPDX-License-Identifier: BSD-3-Clause
// A split ring in the driver role for tests of the device role: slow, allocating, and able to post chains of
// any shape. Descriptors and indices can also be written raw, to break rules on purpose.
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
import {
  availOffset,
  clearRing,
  descOffset,
  type RingPlace,
  usedOffset,
} from '../../tools/peer/memory-plan.ts';
import {
  type Placed,
  type PostOptions,
  ScriptedMemory,
  type ScriptedRingOptions,
  type Segment,
  type UsedChain,
} from './scripted-memory.ts';

export interface SplitPostOptions extends PostOptions {
  /**
   * With `indirect`: this many segments lie in the ring's table, before the indirect descriptor (VIRTIO 1.2,
   * 2.7.5.3.2).
   */
  readonly direct?: number;
}

interface Chain {
  readonly segments: readonly Placed[];
  /** Table descriptors that it occupies. */
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
  readonly memory: ScriptedMemory;
  readonly view: DataView;
  readonly #inOrder: boolean;
  readonly #free: number[];
  /** In the order in which they were posted. */
  readonly #chains = new Map<number, Chain>();
  #avail: number;
  #used: number;

  constructor(options: ScriptedRingOptions) {
    this.ring = options.ring;
    this.memory = new ScriptedMemory(options);
    this.view = this.memory.view;
    this.#inOrder = options.inOrder ?? false;
    this.#free = Array.from({ length: options.ring.size }, (_, index) => index);
    clearRing(this.view, this.ring);
    this.#avail = (options.startIndex ?? 0) & 0xffff;
    this.#used = this.#avail;
    this.setAvailIdx(this.#avail);
    writeField(this.view, VRING_USED.fields.idx, this.#avail, this.ring.used);
  }

  /**
   * The ring's parts as guest-physical addresses, with its size and start index: what a RingSetup of the
   * device role needs.
   */
  setup(): { desc: bigint; avail: bigint; used: bigint; size: number; lastAvailIdx: number } {
    const { desc, avail, used, size } = this.ring;
    const address = (offset: number) => this.memory.address(offset);
    return {
      desc: address(desc),
      avail: address(avail),
      used: address(used),
      size,
      lastAvailIdx: this.#used,
    };
  }

  /** Number of free descriptors. */
  get free(): number {
    return this.#free.length;
  }

  /** Posts one chain of any shape and returns its head. Throws when descriptors or buffer memory run out. */
  post(segments: readonly Segment[], options: SplitPostOptions = {}): number {
    const placed = segments.map((segment) => this.memory.place(segment));
    const direct = options.indirect ? (options.direct ?? 0) : placed.length;
    const descriptors = this.#takeDescriptors(direct + (options.indirect ? 1 : 0));
    const head = descriptors[0] as number;
    const own = (position: number) => descOffset(this.ring, descriptors[position] as number);
    this.#writeChain(placed.slice(0, direct), own, descriptors);
    if (options.indirect) this.#writeIndirect(descriptors[direct] as number, placed.slice(direct));
    this.#chains.set(head, { segments: placed, descriptors });
    this.postHead(head);
    if (!options.hold) this.publish();
    return head;
  }

  /** Writes one descriptor verbatim, valid or not. */
  writeDescriptor(index: number, raw: RawDescriptor): void {
    encode(VRING_DESC, raw, this.view, descOffset(this.ring, index));
  }

  /** Writes the next available entry without checking it; publish() exposes it to the device. */
  postHead(head: number): void {
    this.view.setUint16(availOffset(this.ring, this.#avail), head, true);
    this.#avail = (this.#avail + 1) & 0xffff;
  }

  /** Exposes all entries to the device. */
  publish(): void {
    this.setAvailIdx(this.#avail);
  }

  /** Writes the available index verbatim. */
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

  /**
   * Everything that the device returned since the last call, in its order. Frees the descriptors and buffers.
   */
  collect(): UsedChain[] {
    const chains: UsedChain[] = [];
    const end = this.usedIdx;
    while (this.#used !== end) {
      const { id, len } = decode(VRING_USED_ELEM, this.view, usedOffset(this.ring, this.#used));
      const before = this.#inOrder ? this.#before(id) : [];
      for (const passed of before) chains.push({ id: passed, len: 0, written: this.#finish(passed, 0) });
      chains.push({ id, len, written: this.#finish(id, len) });
      this.#used = (this.#used + before.length + 1) & 0xffff;
    }
    return chains;
  }

  /** The earlier chains that a used element also returns (VIRTIO 1.2, 2.7.9). */
  #before(id: number): number[] {
    const posted = [...this.#chains.keys()];
    return posted.slice(0, Math.max(0, posted.indexOf(id)));
  }

  #finish(id: number, len: number): Uint8Array {
    const chain = this.#chains.get(id);
    if (!chain) return new Uint8Array();
    this.#chains.delete(id);
    this.#free.push(...chain.descriptors);
    const written = this.memory.written(chain.segments, len);
    if (this.#chains.size === 0) this.memory.reset();
    return written;
  }

  #takeDescriptors(count: number): number[] {
    if (count < 1 || count > this.#free.length) {
      throw new Error(
        `The scripted ring has ${this.#free.length} free descriptors, but ${count} were requested`,
      );
    }
    return this.#free.splice(0, count);
  }

  #writeIndirect(index: number, placed: readonly Placed[]): void {
    const table = this.memory.take(VRING_DESC.size * placed.length, VRING_DESC.size);
    this.#writeChain(
      placed,
      (position) => table + VRING_DESC.size * position,
      placed.map((_, position) => position),
    );
    this.writeDescriptor(index, {
      addr: this.memory.address(table),
      len: VRING_DESC.size * placed.length,
      flags: VRING_DESC_F_INDIRECT,
    });
  }

  /** `ids` may contain one extra descriptor, to which the last segment's descriptor then links. */
  #writeChain(placed: readonly Placed[], place: (position: number) => number, ids: readonly number[]): void {
    placed.forEach(({ offset, length, writable }, position) => {
      const next = ids[position + 1];
      const flags = (writable ? VRING_DESC_F_WRITE : 0) | (next === undefined ? 0 : VRING_DESC_F_NEXT);
      const descriptor = { addr: this.memory.address(offset), len: length, flags, next: next ?? 0 };
      encode(VRING_DESC, descriptor, this.view, place(position));
    });
  }
}
