// SPDX-License-Identifier: BSD-3-Clause
// The ring through which packets of one queue reach a capture program (addon/packet/capture_queue.h), and its
// reader. Nobody waits for the reader: what finds no room is counted and lost.
import { type MappingHandle, native } from '../native.ts';

/** Byte offsets in a ring: the writer's and the reader's position, and the data. */
const HEAD = 0;
const TAIL = 64;
export const RING_DATA = 4096;
/** In place of a length: the next record is at the ring's start. */
const WRAP = 0xffff_ffff;
/** Bytes before a packet. */
export const RECORD = 16;
export const MIN_RING = 1 << 18;
export const MAX_RING = 1 << 26;

/** Reads one ring, in the program that captures. */
export class RingReader {
  /** Of the record at hand, after `next` has returned true: the packet is at `at` of `bytes`. */
  readonly bytes: Uint8Array;
  at = 0;
  present = 0;
  length = 0;
  /** Nanoseconds since 1970: upper and lower 32 bits. */
  timeHigh = 0;
  timeLow = 0;
  readonly #mapping: MappingHandle;
  readonly #words: Uint32Array;
  readonly #offset: number;
  readonly #size: number;
  #position = 0;
  #done = 0;
  #end = 0;

  /** A ring of `size` bytes of data, at `offset` of the mapping. */
  constructor(mapping: MappingHandle, offset: number, size: number) {
    const buffer = native.mappingBuffer(mapping);
    this.#mapping = mapping;
    this.#offset = offset;
    this.#size = size;
    this.bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
  }

  /** Looks what has been written by now; `next` goes no further. */
  look(): void {
    this.#end = native.atomicRead(this.#mapping, this.#offset + HEAD) >>> 0;
  }

  /** Share of the ring that waits to be read. */
  get fill(): number {
    const head = native.atomicRead(this.#mapping, this.#offset + HEAD);
    return ((head - this.#done) >>> 0) / this.#size;
  }

  /** Goes to the next record; false if there is none, or the ring is not one. */
  next(): boolean {
    if (this.#position === this.#end) return false;
    const data = this.#offset + RING_DATA;
    let offset = this.#position & (this.#size - 1);
    if (this.#words[(data + offset) >>> 2] === WRAP) {
      this.#position = (this.#position + this.#size - offset) >>> 0;
      offset = 0;
    }
    const word = (data + offset) >>> 2;
    this.present = this.#words[word];
    this.length = this.#words[word + 1];
    this.timeLow = this.#words[word + 2];
    this.timeHigh = this.#words[word + 3];
    this.at = data + offset + RECORD;
    const end = offset + RECORD + this.present;
    if (end > this.#size) return false;
    this.#position = (this.#position + RECORD + ((this.present + 7) & ~7)) >>> 0;
    return true;
  }

  /** The record at hand is not needed any more. */
  done(): void {
    this.#done = this.#position;
  }

  /** Gives the writer the room of all records that are done. */
  release(): void {
    native.atomicWrite(this.#mapping, this.#offset + TAIL, this.#done);
  }
}
