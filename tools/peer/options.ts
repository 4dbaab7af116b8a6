// SPDX-License-Identifier: BSD-3-Clause
// The options of a peer, with the defaults for command line, tests and benchmarks.
import type { SocketAccess } from '../../src/native.ts';
import type { PeerMode } from './traffic-loop.ts';

export interface PeerOptions {
  /** Path of the vhost-user socket. */
  readonly path: string;
  /** Listen there instead of connecting. */
  readonly server: boolean;
  /** Who may connect to the socket of a server. */
  readonly socketAccess: SocketAccess;
  readonly mode: PeerMode;
  /** Bytes of a generated frame without FCS, like testpmd's txpkts. */
  readonly frameSize: number;
  /** Queue pairs. */
  readonly pairs: number;
  /** Entries of each ring. */
  readonly queueSize: number;
  readonly mergeable: boolean;
  readonly inOrder: boolean;
  /** A packed ring instead of a split one. */
  readonly packed: boolean;
  readonly eventIdx: boolean;
  /**
   * A driver from before virtio 1.0: no VERSION_1, no IN_ORDER, split rings, and a header of 10 bytes without
   * mergeable buffers.
   */
  readonly legacy: boolean;
  readonly hugepages: boolean;
  /** One lcore on each of these CPUs; empty for one lcore on any CPU. */
  readonly cpus: readonly number[];
  readonly burst: number;
  /** Total frames to send (rounded up to a multiple of the pairs); Infinity for no limit. */
  readonly count: number;
  /**
   * Most frames in flight on each pair in modes that expect them back; by default what its receive ring can
   * hold.
   */
  readonly window?: number;
  /** Mode 'latency': total frames per second. */
  readonly rate: number;
  /** Mode 'latency': seconds after the connection whose frames are not recorded. */
  readonly warmUp: number;
  /** Mode 'latency': microseconds; see LatencyPlan. */
  readonly ownStall: number;
  /** Mode 'echo': frames per second above which received frames are dropped; no limit when left out. */
  readonly dropAbove?: number;
  /** Check sequence and checksum of received frames. */
  readonly check: boolean;
  /** Try again when the back-end goes away. */
  readonly reconnect: boolean;
  /** Milliseconds without a frame after which those in flight are given up as lost. */
  readonly patienceMs: number;
}

export const PEER_DEFAULTS: Omit<PeerOptions, 'path'> = {
  server: false,
  socketAccess: {},
  mode: 'both',
  frameSize: 64,
  pairs: 1,
  queueSize: 256,
  mergeable: true,
  inOrder: true,
  packed: false,
  eventIdx: false,
  legacy: false,
  hugepages: false,
  cpus: [],
  burst: 32,
  count: Number.POSITIVE_INFINITY,
  rate: 100_000,
  warmUp: 0,
  ownStall: Number.POSITIVE_INFINITY,
  check: true,
  reconnect: true,
  patienceMs: 2000,
};
