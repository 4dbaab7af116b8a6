// SPDX-License-Identifier: BSD-3-Clause
// Settings of all runs of a suite, the same for both sides of a comparison.
import { PmdError } from '../../src/errors.ts';
import { TRAFFIC_BOUND_MS } from './until-traffic.ts';

export const PEERS = ['dpdk', 'builtin'] as const;
export type PeerKind = (typeof PEERS)[number];

export interface Settings {
  readonly peer: PeerKind;
  readonly rounds: number;
  /** Seconds for which each side is measured per round. */
  readonly seconds: number;
  /** Entries of each ring. */
  readonly queueSize: number;
  /** The peer's rings are packed. */
  readonly packed: boolean;
  /** Our back-end copies every packet through mbufs, as net_vhost does, even where it could avoid that. */
  readonly copying: boolean;
  readonly hugepages: boolean;
  readonly backEndCpu: number;
  /** CPU of all threads of a back-end except its poll loop, when it differs from `backEndCpu`. */
  readonly mainCpu?: number;
  readonly peerCpu: number;
}

/** Packets per burst, on both sides. */
export const BURST = 32;
/** Length in seconds of the slices in which two sides alternate: shorter than the machine's slow spells. */
export const SLICE_SECONDS = 0.2;
/** Seconds after a pause until both loops run at full speed. */
export const SETTLE_SECONDS = 0.03;
/** Seconds of traffic before the window, until both sides are compiled, cached and at full speed. */
export const WARM_UP_SECONDS = 1;
/** Milliseconds that a single program may take to start, warm-up not included. */
export const START_MS = 60_000;
/**
 * Milliseconds after which any child of one run is killed. Two sides may alternate within it, disturbed
 * slices may be repeated, and each side may have to wait for its first packet.
 */
export const runBoundMs = (settings: Settings): number =>
  1000 * (2 * WARM_UP_SECONDS + 16 * settings.seconds) + 4 * (START_MS + TRAFFIC_BOUND_MS);

/** Throws VPCI_FEW_HUGEPAGES where a side, by its name, cannot do without. */
export function requireHugepages({ hugepages }: Settings, who: string): void {
  if (hugepages) return;
  throw new PmdError(
    'VPCI_FEW_HUGEPAGES',
    `${who} needs hugepages: as root, 'echo 1024 > /proc/sys/vm/nr_hugepages'`,
  );
}
