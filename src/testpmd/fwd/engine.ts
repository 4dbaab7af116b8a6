// SPDX-License-Identifier: BSD-3-Clause
// The shape of a forward mode, after DPDK's struct fwd_engine, and the stream that it works on.
import type { MbufVector, Mempool } from '../../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../ethdev/port.ts';
import type { LcoreContext } from '../../lcore/context.ts';

/** Counters of a stream, in a Float64Array that the main thread reads. */
export const STREAM_RX = 0;
export const STREAM_TX = 1;
export const STREAM_DROPPED = 2;
/** TSC cycles of bursts that moved packets; only with record-core-cycles. */
export const STREAM_CYCLES = 3;
/** Numbers from one stream's counters to the next: a cache line, so that lcores do not share one. */
export const STREAM_STRIDE = 8;

/** What the main thread tells of a stream; survives postMessage. */
export interface StreamPlan {
  /** Of the run's streams. */
  readonly index: number;
  /** Ports as indices into the lcore's list. */
  readonly rxPort: number;
  readonly rxQueue: number;
  readonly txPort: number;
  readonly txQueue: number;
  /** MAC address of the TX port and of the peer behind it. */
  readonly txMac: string;
  readonly peerMac: string;
}

/** What all streams of a run share. */
export interface RunPlan {
  readonly mode: string;
  /** Packets a burst. */
  readonly burst: number;
  /** Tries after a burst that was not taken whole, microseconds between them; 0 without `retry`. */
  readonly retries: number;
  readonly retryDelay: number;
  /** Bytes of each segment of the packets that txonly sends. */
  readonly txSegments: readonly number[];
  /** Bursts that each stream sends before it forwards. */
  readonly txFirst: number;
  readonly recordCycles: boolean;
  /** Whether packets may be written and moved in the peer's own buffers. */
  readonly inPlace: boolean;
  /** Rounds of bursts in which nothing came after which the lcore sleeps until something does; 0: it never sleeps. */
  readonly emptyPolls: number;
  /** mbufs of an lcore's pool, and bytes of packet data in each. */
  readonly mbufs: number;
  readonly dataRoom: number;
  readonly hugepages: boolean;
}

/** One RX queue joined to one TX queue, on its lcore. */
export interface FwdStream {
  readonly plan: StreamPlan;
  readonly run: RunPlan;
  readonly rx: RxQueue;
  readonly tx: TxQueue;
  readonly pool: Mempool;
  readonly pkts: MbufVector;
  readonly counters: Float64Array;
  /** The engine's own, from streamInit. */
  state: unknown;
}

export interface FwdEngine {
  readonly name: string;
  /** Makes packets by itself, so that there is always something to do. */
  readonly generates?: boolean;
  /** Once on each lcore, before its streams. */
  begin?(lcore: LcoreContext): void;
  /** Once a stream. */
  streamInit?(stream: FwdStream, lcore: LcoreContext): void;
  /** HOT. One burst; returns the packets that it handled. */
  packetFwd(stream: FwdStream): number;
  /** Once a stream, after its last burst. */
  end?(stream: FwdStream): void;
}
