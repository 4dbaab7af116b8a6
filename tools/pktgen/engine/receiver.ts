// SPDX-License-Identifier: BSD-3-Clause
// Takes what comes back and finds of each stream what was lost, doubled or overtaken, and how long each frame
// took from when it was due. Frames of others, and those with numbers that were never sent, are counted as
// foreign. Allocates nothing.
import type { MbufVector, Mempool } from '../../../src/ethdev/mempool.ts';
import type { RxQueue } from '../../../src/ethdev/port.ts';
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
  S_SENT,
} from './layout.ts';
import { SequenceWindow } from './sequence-window.ts';
import { RUN_MASK, tagOf } from './tag.ts';

const BURST = 64;
/** Numbers are 32-bit: one from the older half of them could as well be one that is still to come. */
const OLDEST = 0x8000_0000;

export interface ReceiverParts {
  readonly rx: RxQueue;
  readonly pool: Mempool;
  readonly clock: Clock;
  /** Tag of the generator, stream 0. */
  readonly tag: number;
  /** Offsets at which streams have their signatures. */
  readonly signatures: readonly number[];
  readonly counters: readonly Float64Array[];
  readonly latencies: readonly Float64Array[];
  readonly global: Float64Array;
  readonly unitsPerTick: number;
}

export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #pkts: MbufVector;
  readonly #windows: readonly SequenceWindow[];
  readonly #signatures: Int32Array;
  /** Of the frames of a burst: their streams, and the offsets of their signatures. */
  readonly #streams = new Int32Array(BURST);
  readonly #found = new Int32Array(BURST);
  /** When the frames of a run were due. */
  readonly #dues = new Int32Array(BURST);
  /** Of the trial. */
  #tag: number;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    this.#tag = parts.tag;
    this.#pkts = parts.pool.vector(BURST);
    this.#windows = parts.counters.map(() => new SequenceWindow());
    this.#signatures = Int32Array.from(parts.signatures);
  }

  begin(generation: number): void {
    this.#tag = tagOf(this.#parts.tag, generation);
    for (const window of this.#windows) window.reset();
  }

  /** HOT. Takes a burst; returns the frames received. */
  poll(): number {
    const { rx, pool, clock, global } = this.#parts;
    const n = rx.burst(this.#pkts, BURST);
    if (n === 0) return 0;
    clock.tick();
    this.#identify(n);
    for (let i = 0; i < n; ) {
      const stream = this.#streams[i];
      if (stream >= 0) i = this.#takeRun(stream, i, n);
      else {
        global[G_FOREIGN]++;
        i++;
      }
    }
    pool.free(this.#pkts, 0, n);
    return n;
  }

  /** HOT. Finds the stream, or -1, and the signature of each frame of a burst. */
  #identify(n: number): void {
    const { pool, counters } = this.#parts;
    const { stride, dataOff, dataLen } = pool;
    const { ids } = this.#pkts;
    for (let i = 0; i < n; i++) {
      const mbuf = ids[i];
      const at = this.#find(mbuf * stride + dataOff[mbuf], dataLen[mbuf]);
      const stream = at < 0 ? -1 : wordAt(pool, at) & 0xff;
      this.#found[i] = at;
      this.#streams[i] = stream < counters.length ? stream : -1;
    }
  }

  /** HOT. Offset of the signature in the pool's bytes; -1 if there is none. */
  #find(at: number, length: number): number {
    const { pool } = this.#parts;
    const tag = this.#tag;
    for (let i = 0; i < this.#signatures.length; i++) {
      const offset = this.#signatures[i];
      if (offset + 12 <= length && ((wordAt(pool, at + offset) ^ tag) & RUN_MASK) === 0) return at + offset;
    }
    return -1;
  }

  /** HOT. Takes the frames from `first` that follow one another in one stream; returns where others begin. */
  #takeRun(stream: number, first: number, n: number): number {
    const { pool, counters, global } = this.#parts;
    const own = counters[stream];
    const sent = own[S_SENT] | 0;
    const known = own[S_SENT] < OLDEST ? own[S_SENT] : OLDEST;
    const window = this.#windows[stream];
    const { ids } = this.#pkts;
    const { pktLen } = pool;
    let timed = 0;
    let bytes = 0;
    let forged = 0;
    let i = first;
    for (; i < n && this.#streams[i] === stream; i++) {
      const at = this.#found[i];
      const number = wordAt(pool, at + 4);
      if ((sent - 1 - number) >>> 0 >= known) {
        forged++;
        continue;
      }
      bytes += pktLen[ids[i]];
      const order = window.take(number);
      if (order < 0) continue;
      if (order > 0) own[S_REORDERED]++;
      this.#dues[timed++] = wordAt(pool, at + 8);
    }
    global[G_FOREIGN] += forged;
    own[S_RECEIVED] += i - first - forged;
    own[S_RX_BYTES] += bytes;
    own[S_DUPLICATES] += i - first - forged - timed;
    if (timed > 0) this.#time(stream, timed);
    return i;
  }

  /** HOT. Records the times since `#dues`, all in units modulo 2^32. */
  #time(stream: number, n: number): void {
    const { clock, unitsPerTick, counters, latencies } = this.#parts;
    const own = counters[stream];
    const counts = latencies[stream];
    const now = (clock.now[0] * unitsPerTick) | 0;
    let last = own[S_SAMPLES] > 0 ? own[S_LATENCY_LAST] : latencyOf(now, this.#dues[0]);
    let least = own[S_SAMPLES] > 0 ? own[S_LATENCY_MIN] : last;
    let most = own[S_LATENCY_MAX];
    let jitter = own[S_JITTER];
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const latency = latencyOf(now, this.#dues[i]);
      counts[bucketOf(latency < HISTOGRAM_MAX ? latency : HISTOGRAM_MAX)]++;
      jitter += (Math.abs(latency - last) - jitter) / 16;
      sum += latency;
      if (latency < least) least = latency;
      if (latency > most) most = latency;
      last = latency;
    }
    own[S_JITTER] = jitter;
    own[S_LATENCY_LAST] = last;
    own[S_LATENCY_SUM] += sum;
    own[S_LATENCY_MIN] = least;
    own[S_LATENCY_MAX] = most;
    own[S_SAMPLES] += n;
  }
}

/** HOT. No frame comes before it is due, so all 32 bits say how late it is. */
function latencyOf(now: number, due: number): number {
  return (now - due) >>> 0;
}

/** HOT. The little-endian word at an offset of the pool's bytes. */
function wordAt(pool: Mempool, at: number): number {
  if ((at & 3) === 0) return pool.words[at >>> 2] | 0;
  const { bytes } = pool;
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
