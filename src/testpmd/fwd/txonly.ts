// SPDX-License-Identifier: BSD-3-Clause
// Sends UDP frames as fast as the TX queue accepts them.
//
// If the peer's memory is mapped, the headers are written in place in the peer's receive buffers, unless the
// buffer still holds them from its last use. The payload is whatever the peer left there, just as DPDK's
// txonly sends whatever its mbufs hold. On other ports, and where the peer's buffers have another shape,
// packets go through mbufs.
//
// Streams of an lcore that send the same frame share a pool that nothing else writes to, so the frame is
// written into its buffers once; a burst then only allocates and sets the lengths. A frame of several
// segments is composed for every packet, since any buffer may become any segment.
import type { MbufVector, Mempool } from '../../ethdev/mempool.ts';
import type { LcoreContext } from '../../lcore/context.ts';
import { NO_NEXT } from '../../native.ts';
import { type UdpFlow, udpFrameHeaders } from '../../packet/frames.ts';
import { type FwdEngine, type FwdStream, STREAM_DROPPED, STREAM_TX } from './engine.ts';

interface TxOnly {
  readonly pool: Mempool;
  readonly pkts: MbufVector;
  /** All segments of a burst, when packets have several. */
  readonly segments: MbufVector;
  readonly lengths: readonly number[];
  readonly total: number;
  readonly headers: Uint8Array;
  /** An mbuf that holds the headers and is never sent itself; null for packets of several segments. */
  readonly template: MbufVector | null;
  /** Number of streams that use it. */
  users: number;
  /** Removes it from the senders, so that no further stream uses it. */
  readonly forget: () => void;
}

/** Addresses from RFC 2544's benchmark range, and the discard port. */
const FLOW: Omit<UdpFlow, 'sourceMac' | 'destinationMac'> = {
  sourceIp: '198.18.0.1',
  destinationIp: '198.18.0.2',
  sourcePort: 9,
  destinationPort: 9,
};

/** Senders shared by the streams of an lcore, by frame and burst size. */
const senders = new WeakMap<LcoreContext, Map<string, TxOnly>>();

export const txonly: FwdEngine = {
  name: 'txonly',
  generates: true,
  streamInit(stream, lcore) {
    const ofLcore = senders.get(lcore) ?? new Map<string, TxOnly>();
    senders.set(lcore, ofLcore);
    const { plan, run } = stream;
    const frame = [plan.txMac, plan.peerMac, run.burst, ...run.txSegments].join(' ');
    const state = ofLcore.get(frame) ?? newSender(stream, lcore, () => ofLcore.delete(frame));
    ofLcore.set(frame, state);
    state.users++;
    stream.state = state;
  },
  packetFwd(stream) {
    const state = stream.state as TxOnly;
    const n = stream.run.burst;
    const inPlace = stream.run.inPlace ? stream.tx.inPlace : undefined;
    if (inPlace !== undefined && state.template !== null) {
      const sent = inPlace.repeat(state.template, state.total, n);
      if (sent >= 0) {
        stream.counters[STREAM_TX] += sent;
        stream.counters[STREAM_DROPPED] += n - sent;
        return sent;
      }
    }
    const built = state.lengths.length === 1 ? allocate(state, n) : compose(state, n);
    return built ? send(stream, state, n) : 0;
  },
  end(stream) {
    const state = stream.state as TxOnly;
    if (--state.users > 0) return;
    state.pool.close();
    state.forget();
  },
};

function newSender({ run, plan }: FwdStream, lcore: LcoreContext, forget: () => void): TxOnly {
  const { burst, txSegments, dataRoom } = run;
  const total = txSegments.reduce((sum, length) => sum + length, 0);
  const segments = burst * txSegments.length;
  // A burst is sent or freed before the next one, so a few buffers suffice, and they stay in the cache.
  const pool = lcore.createPool({ count: Math.max(64, 2 * segments + 1), dataRoom, hugepages: false });
  const headers = udpFrameHeaders({ ...FLOW, destinationMac: plan.peerMac, sourceMac: plan.txMac }, total);
  const single = txSegments.length === 1;
  if (single) writeOnce(pool, headers);
  return {
    pool,
    pkts: pool.vector(burst),
    segments: pool.vector(segments),
    lengths: txSegments,
    total,
    headers,
    template: single ? templateOf(pool, Math.min(headers.length, total)) : null,
    users: 0,
    forget,
  };
}

function writeOnce(pool: Mempool, headers: Uint8Array): void {
  pool.bytes.fill(0);
  for (let mbuf = 0; mbuf < pool.count; mbuf++) pool.bytes.set(headers, mbuf * pool.stride + pool.headroom);
}

function templateOf(pool: Mempool, length: number): MbufVector {
  const template = pool.vector(1);
  pool.alloc(template, 1);
  pool.dataLen[template.ids[0]] = length;
  pool.pktLen[template.ids[0]] = length;
  return template;
}

function allocate({ pool, pkts, total }: TxOnly, n: number): boolean {
  return pool.alloc(pkts, n, total) > 0;
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

/** Writes the part of the headers within frame bytes [offset, offset + length). */
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
