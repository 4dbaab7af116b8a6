// SPDX-License-Identifier: BSD-3-Clause
// A packed ring in the driver role for tests of the device role, with the interface of scripted-ring.ts
// (VIRTIO 1.2, 2.8).
import { decode, encode } from '../../src/abi/layout.ts';
import {
  PVIRTQ_DESC,
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  VRING_PACKED_DESC_F_AVAIL,
  VRING_PACKED_DESC_F_USED,
  VRING_PACKED_WRAP,
} from '../../src/abi/virtio-ring.ts';
import { clearRing, type RingPlace } from '../../tools/peer/memory-plan.ts';
import {
  type Placed,
  type PostOptions,
  ScriptedMemory,
  type ScriptedRingOptions,
  type Segment,
  type UsedChain,
} from './scripted-memory.ts';

const OWNER = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;

interface Chain {
  readonly segments: readonly Placed[];
  readonly slots: number;
}

interface Slot {
  readonly addr: bigint;
  readonly len: number;
  readonly flags: number;
}

/** A slot and the wrap counter of its pass over the ring. */
class Position {
  readonly #size: number;
  slot: number;
  wrap: boolean;

  constructor(index: number, size: number) {
    this.#size = size;
    this.slot = (index & ~VRING_PACKED_WRAP) % size;
    this.wrap = (index & VRING_PACKED_WRAP) !== 0;
  }

  get index(): number {
    return this.slot | (this.wrap ? VRING_PACKED_WRAP : 0);
  }

  advance(slots: number): void {
    this.slot += slots;
    if (this.slot < this.#size) return;
    this.slot -= this.#size;
    this.wrap = !this.wrap;
  }
}

export class ScriptedPackedRing {
  readonly ring: RingPlace;
  readonly memory: ScriptedMemory;
  readonly #inOrder: boolean;
  readonly #ids: number[];
  /** In the order in which they were posted. */
  readonly #chains = new Map<number, Chain>();
  readonly #driver: Position;
  readonly #device: Position;
  /** Flags of first slots; writing them exposes their chains. */
  #held: { readonly slot: number; readonly flags: number }[] = [];
  #free: number;

  /** `startIndex` has the wrap counter in bit 15. */
  constructor(options: ScriptedRingOptions) {
    const { size } = options.ring;
    this.ring = options.ring;
    this.memory = new ScriptedMemory(options);
    this.#inOrder = options.inOrder ?? false;
    this.#ids = Array.from({ length: size }, (_, id) => size - 1 - id);
    this.#free = size;
    this.#driver = new Position(options.startIndex ?? VRING_PACKED_WRAP, size);
    this.#device = new Position(this.#driver.index, size);
    clearRing(this.memory.view, this.ring);
    // Slots not yet reached in this pass are the previous pass's used descriptors.
    for (let slot = 0; slot < size; slot++) {
      const round = slot < this.#driver.slot === this.#driver.wrap;
      this.#view.setUint16(this.#at(slot) + PVIRTQ_DESC.fields.flags.offset, round ? OWNER : 0, true);
    }
  }

  setup(): { desc: bigint; avail: bigint; used: bigint; size: number; lastAvailIdx: number } {
    const { desc, avail, used, size } = this.ring;
    const address = (offset: number) => this.memory.address(offset);
    const parts = { desc: address(desc), avail: address(avail), used: address(used) };
    return { ...parts, size, lastAvailIdx: this.#device.index };
  }

  /** Number of free slots. */
  get free(): number {
    return this.#free;
  }

  /** Posts one chain of any shape and returns its id. Throws when slots or buffer memory run out. */
  post(segments: readonly Segment[], options: PostOptions = {}): number {
    const placed = segments.map((segment) => this.memory.place(segment));
    const list = options.indirect ? [this.#table(placed)] : placed.map((one) => this.#slot(one));
    if (list.length > this.#free)
      throw new Error(`The scripted ring has ${this.#free} free slots, but ${list.length} were requested`);
    const id = this.#ids.shift() as number;
    for (const [i, slot] of list.entries()) {
      const more = i + 1 < list.length ? VRING_DESC_F_NEXT : 0;
      const owner = this.#driver.wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED;
      const flags = slot.flags | more | owner;
      const at = this.#at(this.#driver.slot);
      // Only the flags of the first descriptor expose the list, and they are written last (VIRTIO 1.2,
      // 2.8.21).
      const before = this.#view.getUint16(at + PVIRTQ_DESC.fields.flags.offset, true);
      encode(PVIRTQ_DESC, { ...slot, id, flags: i === 0 ? before : flags }, this.#view, at);
      if (i === 0) this.#held.push({ slot: this.#driver.slot, flags });
      this.#driver.advance(1);
    }
    this.#free -= list.length;
    this.#chains.set(id, { segments: placed, slots: list.length });
    if (!options.hold) this.publish();
    return id;
  }

  /** Exposes all chains to the device. */
  publish(): void {
    for (const { slot, flags } of this.#held)
      this.#view.setUint16(this.#at(slot) + PVIRTQ_DESC.fields.flags.offset, flags, true);
    this.#held = [];
  }

  /** Everything that the device returned since the last call, in its order. Frees the slots and buffers. */
  collect(): UsedChain[] {
    const chains: UsedChain[] = [];
    for (;;) {
      const { id, len, flags } = decode(PVIRTQ_DESC, this.#view, this.#at(this.#device.slot));
      if (this.#chains.size === 0 || (flags & OWNER) !== (this.#device.wrap ? OWNER : 0)) return chains;
      // Without WRITE, the length is meaningless (VIRTIO 1.2, 2.8.12).
      const wrote = (flags & VRING_DESC_F_WRITE) !== 0 ? len : 0;
      for (const passed of this.#inOrder ? this.#before(id) : [])
        chains.push({ id: passed, len: 0, written: this.#finish(passed, 0) });
      chains.push({ id, len: wrote, written: this.#finish(id, wrote) });
    }
  }

  get #view(): DataView {
    return this.memory.view;
  }

  #at(slot: number): number {
    return this.ring.desc + PVIRTQ_DESC.size * slot;
  }

  #slot({ offset, length, writable }: Placed): Slot {
    return { addr: this.memory.address(offset), len: length, flags: writable ? VRING_DESC_F_WRITE : 0 };
  }

  /** A table is a list without NEXT whose length ends it (VIRTIO 1.2, 2.8.7). */
  #table(placed: readonly Placed[]): Slot {
    const len = PVIRTQ_DESC.size * placed.length;
    const table = this.memory.take(len, PVIRTQ_DESC.size);
    for (const [i, one] of placed.entries())
      encode(PVIRTQ_DESC, { ...this.#slot(one), id: 0xffff }, this.#view, table + PVIRTQ_DESC.size * i);
    return { addr: this.memory.address(table), len, flags: VRING_DESC_F_INDIRECT };
  }

  /** The earlier chains that a used descriptor also returns (VIRTIO 1.2, 2.8.14). */
  #before(id: number): number[] {
    const posted = [...this.#chains.keys()];
    return posted.slice(0, Math.max(0, posted.indexOf(id)));
  }

  #finish(id: number, len: number): Uint8Array {
    const chain = this.#chains.get(id);
    if (!chain) throw new Error(`The device returned ${id}, which was not outstanding`);
    this.#chains.delete(id);
    this.#ids.push(id);
    this.#free += chain.slots;
    this.#device.advance(chain.slots);
    const written = this.memory.written(chain.segments, len);
    if (this.#chains.size === 0) this.memory.reset();
    return written;
  }
}
