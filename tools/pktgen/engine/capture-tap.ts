// SPDX-License-Identifier: BSD-3-Clause
// Copies of frames for a capture, from the lcore to the main thread: a ring in shared memory with one writer
// and one reader. A frame that finds no room is counted as dropped; the loop never waits. Allocates nothing.
import type { MbufVector, Mempool } from '../../../src/ethdev/mempool.ts';

/** Words of the ring. */
const WORDS = 1 << 22;
/** A record: its words (0: go on at the ring's start), bytes copied, time (a double), length, direction. */
const RECORD = 0;
const COPIED = 1;
const TIME = 2;
const LENGTH = 4;
const DIRECTION = 5;
const HEAD_WORDS = 6;

/** Directions. */
export const RECEIVED = 0;
export const SENT = 1;

// Control words (Int32Array).
/** Where the next record goes; written by the lcore. */
const HEAD = 0;
/** Where the next record is read; written by the main thread. */
const TAIL = 1;
/** Bit for each direction that is captured; 0: none. Written by the main thread. */
const WANTED = 2;

/** Counts of a direction (Float64Array): frames that passed, and those of them that found no room. */
const SEEN = 0;
const DROPPED = 2;

/** Plain data, which both threads hold. */
export interface CaptureMemory {
  readonly control: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
  /** Most bytes of a frame. */
  readonly snaplen: number;
}

export const newCaptureMemory = (snaplen: number): CaptureMemory => ({
  control: new SharedArrayBuffer(3 * 4),
  counts: new SharedArrayBuffer(4 * 8),
  ring: new SharedArrayBuffer(4 * WORDS),
  snaplen,
});

/** The lcore's end. */
export class CaptureTap {
  readonly #control: Int32Array;
  readonly #counts: Float64Array;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #times: Float64Array;
  readonly #snaplen: number;
  #head = 0;
  /** False between trials, when what comes is nobody's. */
  on = false;

  constructor({ control, counts, ring, snaplen }: CaptureMemory) {
    this.#control = new Int32Array(control);
    this.#counts = new Float64Array(counts);
    this.#words = new Uint32Array(ring);
    this.#bytes = new Uint8Array(ring);
    this.#times = new Float64Array(ring);
    this.#snaplen = snaplen;
  }

  /** HOT. Copies `pkts[from..to)`; `now` is in index 0 of an array, as numbers with a fraction are boxed. */
  take(
    pool: Mempool,
    pkts: MbufVector,
    from: number,
    to: number,
    direction: number,
    now: Float64Array,
  ): void {
    if (!this.on || (Atomics.load(this.#control, WANTED) & (1 << direction)) === 0) return;
    const tail = Atomics.load(this.#control, TAIL);
    this.#counts[SEEN + direction] += to - from;
    for (let i = from; i < to; i++) {
      const mbuf = pkts.ids[i];
      const most = pool.pktLen[mbuf];
      const copied = most < this.#snaplen ? most : this.#snaplen;
      const at = this.#room((HEAD_WORDS + ((copied + 3) >>> 2) + 1) & ~1, tail);
      if (at < 0) {
        this.#counts[DROPPED + direction]++;
        continue;
      }
      this.#words[at + COPIED] = copied;
      this.#times[(at + TIME) >>> 1] = now[0];
      this.#words[at + LENGTH] = pool.pktLen[mbuf];
      this.#words[at + DIRECTION] = direction;
      this.#copy(pool, mbuf, at + HEAD_WORDS, copied);
    }
    Atomics.store(this.#control, HEAD, this.#head);
  }

  /** HOT. Begins a record of so many words, an even number; -1 if there is no room for it. */
  #room(words: number, tail: number): number {
    let at = this.#head;
    if (at >= tail) {
      // The head never meets the tail from behind: that would be an empty ring.
      if (at + words > WORDS || (at + words === WORDS && tail === 0)) {
        if (words >= tail) return -1;
        if (at < WORDS) this.#words[at + RECORD] = 0;
        at = 0;
      }
    } else if (at + words >= tail) return -1;
    this.#words[at + RECORD] = words;
    this.#head = at + words === WORDS ? 0 : at + words;
    return at;
  }

  /** HOT. `to` is in words. */
  #copy(pool: Mempool, mbuf: number, to: number, length: number): void {
    const from = mbuf * pool.stride + pool.dataOff[mbuf];
    if ((from & 3) !== 0 || length > pool.dataLen[mbuf]) {
      this.#copyChain(pool, mbuf, 4 * to, length);
      return;
    }
    const { words } = pool;
    const count = (length + 3) >>> 2;
    for (let i = 0; i < count; i++) this.#words[to + i] = words[(from >>> 2) + i];
  }

  /** HOT. A frame in several mbufs, or at an odd place. */
  #copyChain(
    { bytes, stride, dataOff, dataLen, next }: Mempool,
    first: number,
    to: number,
    length: number,
  ): void {
    let left = length;
    for (let mbuf = first, at = to; left > 0; mbuf = next[mbuf]) {
      const from = mbuf * stride + dataOff[mbuf];
      const part = dataLen[mbuf] < left ? dataLen[mbuf] : left;
      for (let i = 0; i < part; i++) this.#bytes[at + i] = bytes[from + i];
      at += part;
      left -= part;
    }
  }
}

export interface CapturedFrame {
  /** Where its bytes are in `CaptureReader.bytes`. */
  offset: number;
  copied: number;
  length: number;
  direction: number;
  /** Ticks, on the tap's clock. */
  time: number;
}

/** The main thread's end. */
export class CaptureReader {
  readonly bytes: Uint8Array;
  readonly #control: Int32Array;
  readonly #counts: Float64Array;
  readonly #words: Uint32Array;
  readonly #times: Float64Array;
  readonly #frame: CapturedFrame = { offset: 0, copied: 0, length: 0, direction: 0, time: 0 };

  constructor({ control, counts, ring }: CaptureMemory) {
    this.bytes = new Uint8Array(ring);
    this.#control = new Int32Array(control);
    this.#counts = new Float64Array(counts);
    this.#words = new Uint32Array(ring);
    this.#times = new Float64Array(ring);
  }

  /** Which directions are copied from now on. */
  want(directions: readonly number[]): void {
    Atomics.store(
      this.#control,
      WANTED,
      directions.reduce((bits, direction) => bits | (1 << direction), 0),
    );
  }

  /** Frames of a direction that passed while they were wanted, and those of them that found no room. */
  counts(direction: number): { readonly seen: number; readonly dropped: number } {
    return {
      seen: this.#counts[SEEN + direction] as number,
      dropped: this.#counts[DROPPED + direction] as number,
    };
  }

  /** Share of the ring that holds frames. */
  get fill(): number {
    const used = Atomics.load(this.#control, HEAD) - Atomics.load(this.#control, TAIL);
    return (used < 0 ? used + WORDS : used) / WORDS;
  }

  /** Calls `take` with each frame there is, always the same object, and makes room for others. */
  drain(take: (frame: Readonly<CapturedFrame>) => void): void {
    const head = Atomics.load(this.#control, HEAD);
    for (let at = Atomics.load(this.#control, TAIL); at !== head; ) {
      const words = this.#words[at + RECORD] as number;
      if (words === 0) {
        at = 0;
        continue;
      }
      const frame = this.#frame;
      frame.offset = 4 * (at + HEAD_WORDS);
      frame.copied = this.#words[at + COPIED] as number;
      frame.time = this.#times[(at + TIME) >>> 1] as number;
      frame.length = this.#words[at + LENGTH] as number;
      frame.direction = this.#words[at + DIRECTION] as number;
      take(frame);
      at = at + words === WORDS ? 0 : at + words;
      Atomics.store(this.#control, TAIL, at);
    }
  }
}
