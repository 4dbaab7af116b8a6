// SPDX-License-Identifier: BSD-3-Clause
// What all runs of a suite share: it is the same for both sides of a comparison.

export const PEERS = ['dpdk', 'builtin'] as const;
export type PeerKind = (typeof PEERS)[number];

export interface Settings {
  readonly peer: PeerKind;
  readonly rounds: number;
  /** Length of the window in which the rate is taken. */
  readonly seconds: number;
  /** Entries of each ring. */
  readonly queueSize: number;
  /** The peer's rings are packed ones. */
  readonly packed: boolean;
  /** Our back-end copies every packet through mbufs, as net_vhost does, also where it need not. */
  readonly copying: boolean;
  readonly hugepages: boolean;
  readonly backEndCpu: number;
  readonly peerCpu: number;
}

/** Packets a burst, on both sides. */
export const BURST = 32;
/** Seconds of traffic before the window: both sides are compiled, cached and in their stride. */
export const WARM_UP_SECONDS = 1;
/** Milliseconds for any one program to start, warm-up not included. */
export const START_MS = 20_000;
/** Milliseconds after which any child of one run is killed. */
export const runBoundMs = (settings: Settings): number =>
  1000 * (WARM_UP_SECONDS + settings.seconds) + 4 * START_MS;
