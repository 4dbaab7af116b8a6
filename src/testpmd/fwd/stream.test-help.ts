// SPDX-License-Identifier: BSD-3-Clause
// A stream of a forward mode between a source of frames and a list of those that it sends.
import { MBUF_NO_NEXT, type MbufVector, Mempool } from '../../ethdev/mempool.ts';
import type { LcoreContext } from '../../lcore/context.ts';
import type { FwdEngine, FwdStream, RunPlan, StreamPlan } from './engine.ts';
import { engineNamed } from './engines.ts';
import { fwdStream } from './plans.test-help.ts';
import { defaultTraffic, type TrafficPlan } from './traffic.ts';

export interface Sent {
  readonly bytes: Buffer;
  readonly segments: number;
  readonly olFlags: number;
  readonly csumStart: number;
  readonly csumOffset: number;
  readonly gsoSize: number;
}

export interface Received {
  readonly bytes: Uint8Array;
  readonly olFlags?: number;
  readonly gsoSize?: number;
}

export interface StreamOptions {
  readonly mode: string;
  readonly run?: Partial<RunPlan>;
  readonly plan?: Partial<StreamPlan>;
  readonly traffic?: Partial<TrafficPlan>;
  /** Most packets that the TX queue takes of a burst. */
  readonly limit?: number;
}

/** Runs one stream; close() fails if it has lost an mbuf. */
export class TestStream {
  readonly stream: FwdStream;
  readonly pool: Mempool;
  readonly sent: Sent[] = [];
  /** Bursts that arrive, oldest first. */
  readonly arriving: (Uint8Array | Received)[][] = [];
  limit: number;
  readonly #engine: FwdEngine;
  readonly #pools: Mempool[] = [];

  constructor({ mode, run, plan, traffic, limit = 512 }: StreamOptions) {
    this.limit = limit;
    this.#engine = engineNamed(mode);
    this.pool = new Mempool({ count: 256, hugepages: false });
    const lcore = {
      lcoreId: 1,
      createPool: (options: object) => {
        const pool = new Mempool({ ...options, hugepages: false });
        this.#pools.push(pool);
        return pool;
      },
    } as unknown as LcoreContext;
    this.stream = fwdStream({
      rx: { burst: (pkts, n) => this.#receive(pkts, n) },
      tx: { burst: (pkts, from, to) => this.#send(pkts, from, to) },
      pool: this.pool,
      run: { mode, inPlace: false, mbufs: 256, traffic: { ...defaultTraffic(), ...traffic }, ...run },
      ...(plan === undefined ? {} : { plan }),
    });
    this.#engine.begin?.(lcore);
    this.#engine.streamInit?.(this.stream, lcore);
  }

  /** Lets `frames` arrive, if any, and runs one burst. */
  burst(...frames: (Uint8Array | Received)[]): number {
    if (frames.length > 0) this.arriving.push(frames);
    return this.#engine.packetFwd(this.stream);
  }

  /** Ends the stream; returns the number of mbufs that it has lost. */
  close(): number {
    this.#engine.end?.(this.stream);
    const lost = this.pool.count - this.pool.available;
    for (const pool of [this.pool, ...this.#pools]) pool.close();
    return lost;
  }

  #receive(pkts: MbufVector, n: number): number {
    const frames = n > 0 ? (this.arriving.shift() ?? []) : [];
    if (frames.length === 0) return 0;
    this.pool.alloc(pkts, frames.length);
    for (const [i, frame] of frames.entries()) this.#write(pkts.ids[i], frame);
    return frames.length;
  }

  #write(id: number, frame: Uint8Array | Received): void {
    const { pool } = this;
    const { bytes, olFlags = 0, gsoSize = 0 } = frame instanceof Uint8Array ? { bytes: frame } : frame;
    pool.bytes.set(bytes, id * pool.stride + pool.dataOff[id]);
    pool.dataLen[id] = bytes.length;
    pool.pktLen[id] = bytes.length;
    pool.olFlags[id] = olFlags;
    pool.gsoSize[id] = gsoSize;
  }

  #send(pkts: MbufVector, from: number, to: number): number {
    const taken = Math.min(this.limit, to - from);
    for (let i = from; i < from + taken; i++) this.sent.push(sentOf(pkts.pool, pkts.ids[i]));
    pkts.pool.free(pkts, from, from + taken);
    return taken;
  }
}

function sentOf(pool: Mempool, first: number): Sent {
  const parts: Uint8Array[] = [];
  for (let id = first; id !== MBUF_NO_NEXT; id = pool.next[id]) {
    const start = id * pool.stride + pool.dataOff[id];
    parts.push(pool.bytes.slice(start, start + pool.dataLen[id]));
  }
  const bytes = Buffer.concat(parts);
  if (bytes.length !== pool.pktLen[first])
    throw new Error(`pktLen ${pool.pktLen[first]} of a packet of ${bytes.length} bytes`);
  const meta = { olFlags: pool.olFlags[first], gsoSize: pool.gsoSize[first] };
  return {
    ...{ bytes, segments: parts.length },
    ...meta,
    csumStart: pool.csumStart[first],
    csumOffset: pool.csumOffset[first],
  };
}
