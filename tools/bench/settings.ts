// SPDX-License-Identifier: BSD-3-Clause
// What all runs of a suite share: it is the same for both sides of a comparison.
import { TRAFFIC_BOUND_MS } from './until-traffic.ts';

export const PEERS = ['dpdk', 'builtin'] as const;
export type PeerKind = (typeof PEERS)[number];

export interface Settings {
  readonly peer: PeerKind;
  readonly rounds: number;
  /** Time in which each side's rate is taken in a round. */
  readonly seconds: number;
  /** Entries of each ring. */
  readonly queueSize: number;
  /** The peer's rings are packed ones. */
  readonly packed: boolean;
  /** Our back-end copies every packet through mbufs, as net_vhost does, also where it need not. */
  readonly copying: boolean;
  readonly hugepages: boolean;
  readonly backEndCpu: number;
  /** Of all of a back-end but its poll loop, when it is another one. */
  readonly mainCpu?: number;
  readonly peerCpu: number;
}

/** Packets a burst, on both sides. */
export const BURST = 32;
/** Length of the slices in which two sides take turns, seconds: the machine's slow spells last longer. */
export const SLICE_SECONDS = 0.2;
/** Seconds from the end of a pause until both loops are in their stride. */
export const SETTLE_SECONDS = 0.03;
/** Seconds of traffic before the window: both sides are compiled, cached and in their stride. */
export const WARM_UP_SECONDS = 1;
/** Milliseconds for any one program to start, warm-up not included. */
export const START_MS = 60_000;
/** Milliseconds after which any child of one run is killed; two sides may take turns in it, disturbed slices be repeated, and each wait for its first packet. */
export const runBoundMs = (settings: Settings): number =>
  1000 * (2 * WARM_UP_SECONDS + 16 * settings.seconds) + 4 * (START_MS + TRAFFIC_BOUND_MS);
