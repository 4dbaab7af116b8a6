// SPDX-License-Identifier: BSD-3-Clause
// Takes what comes back and finds of each stream what was lost, doubled or overtaken, and how long each frame
// took from when it was due. Frames of others are counted as foreign. Allocates nothing.
import type { MbufVector, Mempool } from '../../../src/ethdev/mempool.ts';
import type { RxQueue } from '../../../src/ethdev/port.ts';
import { type CaptureTap, RECEIVED } from './capture-tap.ts';
import type { Clock } from './clock.ts';
import { bucketOf, HISTOGRAM_MAX } from './histogram.ts';
import {
  G_FOREIGN,
  S_DUPLICATES,
  S_JITTER,
  S_LATENCY_LAST,
  S_LATENCY_MAX,
  S_LATENCY_MIN,
  S_LATENCY_SUM,
  S_RECEIVED,
  S_REORDERED,
  S_RX_BYTES,
  S_SAMPLES,
} from './layout.ts';
import { SequenceWindow } from './sequence-window.ts';

const BURST = 64;
/** The low byte of a tag is the stream. */
export const RUN_MASK = 0xffff_ff00 | 0;

export interface ReceiverParts {
  readonly rx: RxQueue;
  readonly pool: Mempool;
  readonly clock: Clock;
  /** Tag of the run, stream 0. */
  readonly tag: number;
  /** Offsets at which streams have their signatures. */
  readonly signatures: readonly number[];
  readonly counters: readonly Float64Array[];
  readonly latencies: readonly Float64Array[];
  readonly global: Float64Array;
  readonly unitsPerTick: number;
  readonly tap: CaptureTap | null;
}

export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #pkts: MbufVector;
  readonly #windows: readonly SequenceWindow[];
  readonly #signatures: Int32Array;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    this.#pkts = parts.pool.vector(BURST);
    this.#windows = parts.counters.map(() => new SequenceWindow());
    this.#signatures = Int32Array.from(parts.signatures);
  }

  begin(): void {
    for (const window of this.#windows) window.reset();
  }

  /** HOT. Takes a burst; returns the frames received. */
  poll(): number {
    const { rx, pool, clock, tap } = this.#parts;
    const n = rx.burst(this.#pkts, BURST);
    if (n === 0) return 0;
    clock.tick();
    if (tap !== null) tap.take(pool, this.#pkts, 0, n, RECEIVED, clock.now);
    const { ids } = this.#pkts;
    for (let i = 0; i < n; i++) this.#take(ids[i]);
    pool.free(this.#pkts, 0, n);
    return n;
  }

  /** HOT. */
  #take(mbuf: number): void {
    const { pool, counters, global, tag } = this.#parts;
    const at = mbuf * pool.stride + pool.dataOff[mbuf];
    const signature = this.#find(at, pool.dataLen[mbuf]);
    const stream = signature < 0 ? -1 : (wordAt(pool, signature) ^ tag) & 0xff;
    if (stream < 0 || stream >= counters.length) {
      global[G_FOREIGN]++;
      return;
    }
    const own = counters[stream];
    own[S_RECEIVED]++;
    own[S_RX_BYTES] += pool.pktLen[mbuf];
    const order = this.#windows[stream].take(wordAt(pool, signature + 4));
    if (order < 0) {
      own[S_DUPLICATES]++;
      return;
    }
    if (order > 0) own[S_REORDERED]++;
    this.#time(stream, wordAt(pool, signature + 8));
  }

  /** HOT. Offset of the signature in the pool's bytes; -1 if there is none. */
  #find(at: number, length: number): number {
    const { pool, tag } = this.#parts;
    for (let i = 0; i < this.#signatures.length; i++) {
      const offset = this.#signatures[i];
      if (offset + 12 <= length && ((wordAt(pool, at + offset) ^ tag) & RUN_MASK) === 0) return at + offset;
    }
    return -1;
  }

  /** HOT. Records the time since `due`, both in units modulo 2^32. */
  #time(stream: number, due: number): void {
    const { clock, unitsPerTick, counters, latencies } = this.#parts;
    const now = clock.now[0] * unitsPerTick;
    const late = ((now | 0) - due) | 0;
    const latency = late < 0 ? 0 : late;
    const own = counters[stream];
    latencies[stream][bucketOf(latency < HISTOGRAM_MAX ? latency : HISTOGRAM_MAX)]++;
    if (own[S_SAMPLES] > 0) {
      const change = latency - own[S_LATENCY_LAST];
      own[S_JITTER] += ((change < 0 ? -change : change) - own[S_JITTER]) / 16;
    }
    own[S_LATENCY_LAST] = latency;
    own[S_LATENCY_SUM] += latency;
    if (own[S_SAMPLES] === 0 || latency < own[S_LATENCY_MIN]) own[S_LATENCY_MIN] = latency;
    if (latency > own[S_LATENCY_MAX]) own[S_LATENCY_MAX] = latency;
    own[S_SAMPLES]++;
  }
}

/** HOT. The little-endian word at an offset of the pool's bytes. */
function wordAt(pool: Mempool, at: number): number {
  if ((at & 3) === 0) return pool.words[at >>> 2] | 0;
  const { bytes } = pool;
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
