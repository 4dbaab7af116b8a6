// SPDX-License-Identifier: BSD-3-Clause
// Sends UDP frames as fast as the TX queue accepts them, or at the times of `set txtimes`.
//
// If the peer's memory is mapped, the headers are written in place in the peer's receive buffers, unless the
// buffer still holds them from its last use. The payload is whatever the peer left there, just as DPDK's
// txonly sends whatever its mbufs hold. On other ports, and where the peer's buffers have another shape,
// packets go through mbufs.
//
// Streams of an lcore that send the same frame share a pool that nothing else writes to, so the frame is
// written into its buffers once; a burst then only allocates and sets the lengths. Frames of several
// segments, flows or time stamps are composed one by one (tx-frames.ts).
import type { MbufVector, Mempool } from '../../ethdev/mempool.ts';
import type { LcoreContext } from '../../lcore/context.ts';
import { udpFrameHeaders } from '../../packet/frames.ts';
import { type FwdEngine, type FwdStream, STREAM_DROPPED, STREAM_TX } from './engine.ts';
import { dueTime, type Frames, newFrames, varies, writeFrames } from './tx-frames.ts';

interface TxOnly {
  readonly pool: Mempool;
  readonly pkts: MbufVector;
  readonly total: number;
  /** An mbuf that holds the headers and is never sent itself; null for packets that are composed. */
  readonly template: MbufVector | null;
  readonly frames: Frames | null;
  /** Number of streams that use it. */
  users: number;
  /** Removes it from the senders, so that no further stream uses it. */
  readonly forget: () => void;
}

/** Senders shared by the streams of an lcore, by frame and burst size. */
const senders = new WeakMap<LcoreContext, Map<string, TxOnly>>();

export const txonly: FwdEngine = {
  name: 'txonly',
  tags: true,
  generates: true,
  streamInit(stream, lcore) {
    const ofLcore = senders.get(lcore) ?? new Map<string, TxOnly>();
    senders.set(lcore, ofLcore);
    const { plan, run } = stream;
    // Each stream has times of its own.
    const index = run.traffic.interBurst > 0 ? plan.index : '';
    const what = JSON.stringify([run.traffic, run.txSegments]);
    const frame = [plan.txMac, plan.peerMac, run.burst, index, what].join(' ');
    const state = ofLcore.get(frame) ?? newSender(stream, lcore, () => ofLcore.delete(frame));
    ofLcore.set(frame, state);
    state.users++;
    stream.state = state;
  },
  packetFwd(stream) {
    const state = stream.state as TxOnly;
    if (state.frames !== null) return composed(stream, state, state.frames);
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
    return state.pool.alloc(state.pkts, n, state.total) > 0 ? send(stream, state, n) : 0;
  },
  end(stream) {
    const state = stream.state as TxOnly;
    if (--state.users > 0) return;
    state.pool.close();
    state.forget();
  },
};

function newSender({ run, plan }: FwdStream, lcore: LcoreContext, forget: () => void): TxOnly {
  const { burst, txSegments, traffic } = run;
  const total = txSegments.reduce((sum, length) => sum + length, 0);
  const flow = { ...addresses(run), destinationMac: plan.peerMac, sourceMac: plan.txMac };
  const composes = txSegments.length > 1 || varies(traffic);
  // A burst is sent or freed before the next one, so a few buffers suffice, and they stay in the cache.
  const count = Math.max(64, 2 * burst * txSegments.length + 1);
  const dataRoom = txSegments.length > 1 ? Math.max(64, ...txSegments) : run.dataRoom;
  const pool = lcore.createPool({ count, dataRoom, hugepages: false });
  const headers = udpFrameHeaders(flow, total);
  if (!composes) writeOnce(pool, headers);
  return {
    pool,
    pkts: pool.vector(Math.max(1, burst)),
    total,
    template: composes ? null : templateOf(pool, Math.min(headers.length, total)),
    frames: composes ? newFrames(pool, flow, run, lcore.lcoreId, plan.txQueue) : null,
    users: 0,
    forget,
  };
}

function addresses({ traffic }: FwdStream['run']) {
  const { sourceIp, destinationIp, sourcePort, destinationPort } = traffic;
  return { sourceIp, destinationIp, sourcePort, destinationPort };
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

/** Sends a burst of composed packets; with gaps between them, the one that is due. */
function composed(stream: FwdStream, state: TxOnly, frames: Frames): number {
  const { burst, traffic } = stream.run;
  if (traffic.interBurst === 0) {
    const n = writeFrames(frames, state.pkts, burst);
    return n > 0 ? send(stream, state, n) : 0;
  }
  if (burst === 0 || !dueTime(frames)) return 0;
  const n = writeFrames(frames, state.pkts, traffic.intraBurst > 0 ? 1 : burst);
  return n > 0 ? send(stream, state, n) : 0;
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
