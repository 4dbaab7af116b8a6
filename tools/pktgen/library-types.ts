// SPDX-License-Identifier: BSD-3-Clause
// What the calls of the library take.
import type { Port } from '../../src/ethdev/port.ts';
import type { Stream } from './plan/stream.ts';
import type { Step } from './search.ts';

/** What {@link openPktgen} takes. */
export interface PktgenOptions {
  /** An open port, or a device string; without it, a device model and an echoing peer are started. */
  readonly device?: Port | string;
  /** One at least, 256 at most. */
  readonly streams: readonly Stream[];
  /** As {@link Stream.rate}, of all streams without one of their own, in equal parts; default '100kpps'. */
  readonly rate?: string | number;
  /** What '%' in rates is of; default '10gbps'. */
  readonly lineRate?: string;
  /** CPU of the loop; default: the first that this process may use. */
  readonly cpu?: number;
  /** CPU of the built-in peer's loop; default: the second. */
  readonly peerCpu?: number;
  /** What the built-in peer does: sends frames back (default), or only receives them. */
  readonly peer?: 'echo' | 'sink';
  /** Frames per second above which the built-in peer drops. */
  readonly dropAbove?: number;
  /**
   * Whether frames are to come back. Where they are not, none is known to be received or lost: those counts
   * are null. Default: true with an echoing built-in peer, false with a sink, and of a device true once a
   * frame of the run has come back.
   */
  readonly returns?: boolean;
  /** Of everything random: the same numbers with the same seed; default 1. */
  readonly seed?: number;
  /** Whether memory is from hugepages, here and in the built-in peer; default false. */
  readonly hugepages?: boolean;
}

/** What {@link Pktgen.run} takes. */
export interface RunOptions {
  /** Seconds for which frames are due; without it, until halt() or until all streams have their `count`. */
  readonly seconds?: number;
  /** Seconds without a frame after which those in flight are lost; default 0.1. */
  readonly drain?: number;
  /** Seconds after which an overdue frame is unsent, from 0.001; default 0.01. */
  readonly maxLag?: number;
}

/** What {@link Pktgen.search} takes. */
export interface SearchOptions {
  /** Largest share of frames that may be lost; default 0 (NDR). */
  readonly loss?: number;
  /** Largest share of frames that may be unsent; default 0.001. */
  readonly unsent?: number;
  /** Largest 99th percentile of the latency, in nanoseconds. */
  readonly latencyNs?: number;
  /** Seconds of a trial; default 2. */
  readonly trialSeconds?: number;
  /** Seconds after which no further trial begins; default 120. */
  readonly timeBound?: number;
  /** Relative distance of the bounds at which it ends; default 0.005. */
  readonly precision?: number;
  /** Called before each trial with its rate in frames per second; false ends the search. */
  before?(pps: number): boolean | undefined | Promise<boolean | undefined>;
  /** Called after each trial. */
  after?(step: Step): void;
}
