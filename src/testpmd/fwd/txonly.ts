// SPDX-License-Identifier: BSD-3-Clause
// Sends UDP frames as fast as the TX queue takes them.
//
// Towards a peer whose memory we see, the headers are written where the peer receives them, and the payload is what the peer
// left there, as DPDK's txonly sends what its mbufs hold. Elsewhere, and where the peer's buffers have another shape, packets
// go through mbufs.
//
// Each stream has a pool that nobody else writes to, so the frame is written into its buffers once: what a burst adds
// to an allocation is the lengths. A frame of several segments is composed anew for every packet, as any buffer
// may become any segment.
import type { TxInPlace } from '../../ethdev/in-place.ts';
import type { MbufVector, Mempool } from '../../ethdev/mempool.ts';
import { NO_NEXT } from '../../native.ts';
import { type FwdEngine, type FwdStream, STREAM_DROPPED, STREAM_TX } from './engine.ts';
import { UDP_FRAME_HEADERS, udpFrameHeaders } from './udp-frame.ts';

/** Words that the headers fill, the last one in part: writeInPlace has a store for each. */
const HEADER_WORDS = Math.ceil(UDP_FRAME_HEADERS / 4);

interface TxOnly {
  readonly pool: Mempool;
  readonly pkts: MbufVector;
  /** All segments of a burst, when packets have several. */
  readonly segments: MbufVector;
  readonly lengths: readonly number[];
  readonly total: number;
  readonly headers: Uint8Array;
  /** The headers, filled up to whole words. */
  readonly words: Uint32Array;
}

export const txonly: FwdEngine = {
  name: 'txonly',
  generates: true,
  streamInit(stream, lcore) {
    const { burst, txSegments, dataRoom } = stream.run;
    const total = txSegments.reduce((sum, length) => sum + length, 0);
    const segments = burst * txSegments.length;
    // A burst is sent or freed before the next one, so few buffers do, and few stay in the cache.
    const pool = lcore.createPool({ count: Math.max(64, 2 * segments), dataRoom, hugepages: false });
    const headers = udpFrameHeaders(stream.plan.peerMac, stream.plan.txMac, total);
    stream.state = {
      pool,
      pkts: pool.vector(burst),
      segments: pool.vector(segments),
      lengths: txSegments,
      total,
      headers,
      words: wholeWords(headers),
    } satisfies TxOnly;
    if (txSegments.length === 1) writeOnce(stream.state as TxOnly);
  },
  packetFwd(stream) {
    const state = stream.state as TxOnly;
    const n = stream.run.burst;
    const inPlace = stream.run.inPlace ? stream.tx.inPlace : undefined;
    if (inPlace !== undefined && state.lengths.length === 1) {
      const sent = writeInPlace(inPlace, state, n);
      stream.counters[STREAM_TX] += sent;
      if (sent > 0) return sent;
    }
    const built = state.lengths.length === 1 ? allocate(state, n) : compose(state, n);
    return built ? send(stream, state, n) : 0;
  },
  end(stream) {
    (stream.state as TxOnly).pool.close();
  },
};

function writeOnce({ pool, headers }: TxOnly): void {
  pool.bytes.fill(0);
  for (let mbuf = 0; mbuf < pool.count; mbuf++) pool.bytes.set(headers, mbuf * pool.stride + pool.headroom);
}

function wholeWords(headers: Uint8Array): Uint32Array {
  const padded = new Uint8Array((headers.length + 3) & ~3);
  padded.set(headers);
  return new Uint32Array(padded.buffer);
}

/**
 * HOT. Up to `n` frames into the peer's receive buffers; returns how many. A store each instead of a loop: a loop of eleven rounds takes
 * three times as long as these (docs/performance.md).
 */
function writeInPlace(inPlace: TxInPlace, { words, headers, total }: TxOnly, n: number): number {
  const { slots } = inPlace;
  const { offset, room, length } = slots;
  const reserved = inPlace.reserve(n);
  if (reserved === 0) return 0;
  const memory = slots.words();
  for (let i = 0; i < reserved; i++) {
    // Longer frames need several of the peer's buffers: a burst does that.
    if (room[i] < total) return inPlace.commit(i);
    const at = offset[i];
    if ((at & 3) === 0 && total >= 4 * HEADER_WORDS) {
      const word = at >>> 2;
      memory[word] = words[0];
      memory[word + 1] = words[1];
      memory[word + 2] = words[2];
      memory[word + 3] = words[3];
      memory[word + 4] = words[4];
      memory[word + 5] = words[5];
      memory[word + 6] = words[6];
      memory[word + 7] = words[7];
      memory[word + 8] = words[8];
      memory[word + 9] = words[9];
      memory[word + 10] = words[10];
    } else {
      writeBytes(slots.bytes(), at, headers, total);
    }
    length[i] = total;
  }
  return inPlace.commit(reserved);
}

function writeBytes(memory: Uint8Array, at: number, headers: Uint8Array, total: number): void {
  for (let b = 0; b < headers.length && b < total; b++) memory[at + b] = headers[b];
}

function allocate({ pool, pkts, total }: TxOnly, n: number): boolean {
  if (pool.alloc(pkts, n) === 0) return false;
  for (let i = 0; i < n; i++) {
    const mbuf = pkts.ids[i];
    pool.dataLen[mbuf] = total;
    pool.pktLen[mbuf] = total;
  }
  return true;
}

function compose(state: TxOnly, n: number): boolean {
  const { pool, pkts, segments, lengths, total } = state;
  if (pool.alloc(segments, n * lengths.length) === 0) return false;
  for (let i = 0; i < n; i++) {
    const first = i * lengths.length;
    pkts.ids[i] = segments.ids[first];
    pool.pktLen[pkts.ids[i]] = total;
    let offset = 0;
    for (let s = 0; s < lengths.length; s++) {
      const mbuf = segments.ids[first + s];
      pool.dataLen[mbuf] = lengths[s];
      pool.next[mbuf] = s + 1 < lengths.length ? segments.ids[first + s + 1] : NO_NEXT;
      writeHeaders(state, mbuf, offset, lengths[s]);
      offset += lengths[s];
    }
  }
  return true;
}

/** The part of the headers that falls into frame bytes [offset, offset + length). */
function writeHeaders({ pool, headers }: TxOnly, mbuf: number, offset: number, length: number): void {
  const start = mbuf * pool.stride + pool.dataOff[mbuf];
  for (let i = 0; i < length && offset + i < headers.length; i++) pool.bytes[start + i] = headers[offset + i];
}

function send(stream: FwdStream, { pool, pkts }: TxOnly, n: number): number {
  const sent = stream.tx.burst(pkts, 0, n);
  stream.counters[STREAM_TX] += sent;
  if (sent < n) {
    stream.counters[STREAM_DROPPED] += n - sent;
    pool.free(pkts, sent, n);
  }
  return sent;
}
