// SPDX-License-Identifier: BSD-3-Clause
// Memory of a scripted driver: buffers are handed out in order, and from the start again when none is
// outstanding.
import type { RingPlace } from '../../tools/peer/memory-plan.ts';

export interface ScriptedRingOptions {
  /** The memory that the device sees. */
  readonly memory: ArrayBuffer;
  /** Guest-physical address of its first byte. */
  readonly gpa: bigint;
  readonly ring: RingPlace;
  /** Byte offsets of the memory for buffers: [first, end). */
  readonly buffers: { readonly first: number; readonly end: number };
  /** Index at which both sides start; 0. A value near the maximum tests the wrap. */
  readonly startIndex?: number;
  /** With IN_ORDER, one used element may stand for a batch and names its last chain. */
  readonly inOrder?: boolean;
}

/** One buffer of a chain: bytes for the device to read, or room for it to write. */
export type Segment = { readonly data: Uint8Array } | { readonly room: number };

export interface PostOptions {
  /** Puts the chain into an indirect table. */
  readonly indirect?: boolean;
  /** Writes the entry but does not expose it: publish() does. */
  readonly hold?: boolean;
}

export interface UsedChain {
  /** Head (or buffer id) of the chain, as the device wrote it. */
  readonly id: number;
  readonly len: number;
  /** The chain's device-writable bytes, up to `len`; empty for an id that was not posted. */
  readonly written: Uint8Array;
}

export interface Placed {
  readonly offset: number;
  readonly length: number;
  readonly writable: boolean;
}

export class ScriptedMemory {
  readonly view: DataView;
  readonly gpa: bigint;
  readonly #bytes: Uint8Array;
  readonly #buffers: { readonly first: number; readonly end: number };
  #next: number;

  constructor({ memory, gpa, buffers }: ScriptedRingOptions) {
    this.view = new DataView(memory);
    this.gpa = gpa;
    this.#bytes = new Uint8Array(memory);
    this.#buffers = buffers;
    this.#next = buffers.first;
  }

  /** Guest-physical address of a byte offset. */
  address(offset: number): bigint {
    return this.gpa + BigInt(offset);
  }

  /** A copy of bytes. */
  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(offset, offset + length);
  }

  /** Allocates `length` bytes; throws when no memory is left. */
  take(length: number, alignment = 1): number {
    const offset = Math.ceil(this.#next / alignment) * alignment;
    if (offset + length > this.#buffers.end)
      throw new Error('The scripted ring has no buffer memory left: collect() first');
    this.#next = offset + length;
    return offset;
  }

  place(segment: Segment): Placed {
    const writable = 'room' in segment;
    const length = writable ? segment.room : segment.data.length;
    const offset = this.take(length);
    if (writable) this.#bytes.fill(0, offset, offset + length);
    else this.#bytes.set(segment.data, offset);
    return { offset, length, writable };
  }

  /** The first `length` bytes that the device may write. */
  written(segments: readonly Placed[], length: number): Uint8Array {
    const parts: Uint8Array[] = [];
    let left = length;
    for (const { offset, length: room, writable } of segments) {
      if (!writable || left <= 0) continue;
      parts.push(this.read(offset, Math.min(room, left)));
      left -= room;
    }
    return Uint8Array.from(Buffer.concat(parts));
  }

  /** No buffer is outstanding: starts again with the same memory. */
  reset(): void {
    this.#next = this.#buffers.first;
  }
}
