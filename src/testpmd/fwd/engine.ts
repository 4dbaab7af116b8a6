// SPDX-License-Identifier: BSD-3-Clause
// The interface of a forward mode, modelled on DPDK's struct fwd_engine, and the stream it works on.
import type { MbufVector, Mempool } from '../../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../ethdev/port.ts';
import type { LcoreContext } from '../../lcore/context.ts';
import type { RxPlan, TxPlan } from '../../offload/plan.ts';
import type { TrafficPlan } from './traffic.ts';

/** Indices of a stream's counters, in a Float64Array that the main thread reads. */
export const STREAM_RX = 0;
export const STREAM_TX = 1;
export const STREAM_DROPPED = 2;
/** TSC cycles spent in bursts that moved packets; only with record-core-cycles. */
export const STREAM_CYCLES = 3;
/** Received packets with a wrong checksum of IPv4, and of UDP or TCP: mode csum. The same around a tunnel. */
export const STREAM_BAD_IP = 4;
export const STREAM_BAD_L4 = 5;
export const STREAM_BAD_OUTER_IP = 6;
export const STREAM_BAD_OUTER_L4 = 7;
/** Checksums of received packets, by the bits of rte_ethdev.h. */
export const CHECKS_IP = 0x2;
export const CHECKS_UDP = 0x4;
export const CHECKS_TCP = 0x8;
/**
 * Distance between the counters of two streams, in numbers: one cache line, so that lcores do not share one.
 */
export const STREAM_STRIDE = 8;

/** Describes a stream to its lcore; can be sent with postMessage. */
export interface StreamPlan {
  /** Index among the streams of the run. */
  readonly index: number;
  /** Ports are indices into the lcore's port list. */
  readonly rxPort: number;
  readonly rxQueue: number;
  readonly txPort: number;
  readonly txQueue: number;
  /** The ports' own ids, for texts. */
  readonly rxId: number;
  readonly txId: number;
  /** MAC addresses of the TX port and of its peer. */
  readonly txMac: string;
  readonly peerMac: string;
  /** Of the TX port; all in software if absent. */
  readonly csum?: CsumPlan;
  /** Of the RX port: bursts that packets wait to be merged in mode csum; none if absent. */
  readonly gro?: number;
  /** Of the RX port: CHECKS_* bits of the checksums that mode csum checks; none if absent. */
  readonly checks?: number;
  /** What software does to packets of the RX port, and of the TX port; absent: nothing. */
  readonly rxOffload?: RxPlan;
  readonly txOffload?: TxPlan;
  /** TX queues of the TX port's device, where the stream's queue may be one that software adds. */
  readonly txQueues?: number;
}

/** Which checksums of mode csum the TX port computes, and whether addresses are set. */
export interface CsumPlan {
  /** By default 'sw': those of IPv4 and SCTP are computed before the packet is sent either way. */
  readonly ip?: 'sw' | 'hw';
  readonly udp: 'sw' | 'hw';
  readonly tcp: 'sw' | 'hw';
  readonly sctp?: 'sw' | 'hw';
  /** Of the headers around a tunnel, with `tunnels`. */
  readonly outerIp?: 'sw' | 'hw';
  readonly outerUdp?: 'sw' | 'hw';
  readonly macSwap: boolean;
  /** Bytes of payload of TCP segments that the port or its peer makes; absent or 0: packets stay whole. */
  readonly tso?: number;
  /** Longest packet; longer ones are cut by software. Absent or 0: none is. */
  readonly gso?: number;
  /** Whether checksums inside tunnels are set. */
  readonly tunnels?: boolean;
}

/** Settings common to all streams of a run. */
export interface RunPlan {
  readonly mode: string;
  /** Packets per burst. */
  readonly burst: number;
  /** Packets to print: 1 received, 2 sent, more than 2 all, 0 none. */
  readonly verbose: number;
  /**
   * Retries after a burst that was not accepted in full, 0 without `retry`; and microseconds between them.
   */
  readonly retries: number;
  readonly retryDelay: number;
  /** Length in bytes of each segment of txonly's packets. */
  readonly txSegments: readonly number[];
  readonly traffic: TrafficPlan;
  /** Bursts that each stream sends before it forwards. */
  readonly txFirst: number;
  readonly recordCycles: boolean;
  /** Whether packets may be written in place and relayed between the peers' buffers. */
  readonly inPlace: boolean;
  /** Number of empty rounds after which the lcore sleeps until packets arrive; 0: never. */
  readonly emptyPolls: number;
  /** Number of mbufs in an lcore's pool, and bytes of packet data in each. */
  readonly mbufs: number;
  readonly dataRoom: number;
  readonly hugepages: boolean;
}

/** A stream on its lcore: forwards from one RX queue to one TX queue. */
export interface FwdStream {
  readonly plan: StreamPlan;
  readonly run: RunPlan;
  readonly rx: RxQueue;
  readonly tx: TxQueue;
  readonly pool: Mempool;
  readonly pkts: MbufVector;
  readonly counters: Float64Array;
  /** False once its lcore must end. */
  readonly running: () => boolean;
  /** Private state of the engine, set by streamInit. */
  state: unknown;
}

export interface FwdEngine {
  readonly name: string;
  /** The mode generates packets, so it always has work to do. */
  readonly generates?: boolean;
  /** The mode sets addresses, and so adds the tags of `tx_vlan set`. */
  readonly tags?: boolean;
  /** Called once per lcore, before its streams are initialized. */
  begin?(lcore: LcoreContext): void;
  /** Called once per stream. */
  streamInit?(stream: FwdStream, lcore: LcoreContext): void;
  /** HOT. Processes one burst; returns the number of packets handled. */
  packetFwd(stream: FwdStream): number;
  /** Called once per stream, after its last burst. */
  end?(stream: FwdStream): void;
}
