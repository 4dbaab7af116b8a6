// SPDX-License-Identifier: BSD-3-Clause
// A snapshot of a port's counters. Forward statistics are the difference between two snapshots.
import type { Port, PortStats } from '../ethdev/port.ts';

export interface PortCounts {
  readonly stats: PortStats;
  /** Packets that each TX queue accepted and then dropped. */
  readonly txErrors: readonly number[];
}

export const NOTHING: PortCounts = {
  stats: {
    ipackets: 0,
    opackets: 0,
    ibytes: 0,
    obytes: 0,
    imissed: 0,
    ierrors: 0,
    oerrors: 0,
    rxNombuf: 0,
  },
  txErrors: [],
};

export function portCounts(port: Port): PortCounts {
  return { stats: port.stats(), txErrors: txErrors(port) };
}

export function txErrors(port: Port): number[] {
  const xstats = port.xstats();
  return Array.from({ length: port.config.txQueues }, (_, queue) => xstats.get(`tx_q${queue}_errors`) ?? 0);
}

export function statsSince(now: PortStats, then: PortStats): PortStats {
  const entries = Object.entries(now).map(([key, value]) => [key, value - then[key as keyof PortStats]]);
  return Object.fromEntries(entries) as unknown as PortStats;
}
