// SPDX-License-Identifier: BSD-3-Clause
// Converts queue counters to DPDK's statistics, with the names and the order of rte_eth_xstats and of the
// vhost library's queue statistics. Pure functions over numbers, used by every port driver whose queues have
// QUEUE_COUNTERS.
import { QUEUE_COUNTERS } from '../native.ts';
import type { PortConfig, PortStats } from './port.ts';

export type QueueCounterName = (typeof QUEUE_COUNTERS)[number];

/** Counters of one queue, in the order of QUEUE_COUNTERS. */
export type CounterValues = readonly number[];

/** Counters of all queues that a port has ever used, so that its totals do not drop when it uses fewer. */
export interface PortCounters {
  readonly rx: readonly CounterValues[];
  readonly tx: readonly CounterValues[];
  /** Queues in use, whose counters are also listed individually; default: all. */
  readonly used?: PortConfig;
  /** Packets lost because no queue accepted them; default 0. */
  readonly missed?: number;
}

const POSITION: ReadonlyMap<string, number> = new Map(QUEUE_COUNTERS.map((name, index) => [name, index]));

/** Returns the value of one counter. */
export function counter(values: CounterValues, name: QueueCounterName): number {
  return values[POSITION.get(name) as number] ?? 0;
}

/** Live counters of one queue, read relative to a baseline that `clear` resets. */
export class QueueCounters {
  readonly #live: BigUint64Array;
  readonly #baseline: bigint[];

  /** `live` is in the order of QUEUE_COUNTERS, as returned by native.queueStats. */
  constructor(live: BigUint64Array) {
    this.#live = live;
    this.#baseline = QUEUE_COUNTERS.map(() => 0n);
  }

  /** Counts since the last `clear`. */
  read(): number[] {
    return this.#baseline.map((base, index) => Number((this.#live[index] ?? 0n) - base));
  }

  clear(): void {
    for (let index = 0; index < this.#baseline.length; index++)
      this.#baseline[index] = this.#live[index] ?? 0n;
  }
}

/** The final counters of a closed port, reset to zero. */
export function clearedCounters(counters: PortCounters): PortCounters {
  const zero = (queues: readonly CounterValues[]) => queues.map((values) => values.map(() => 0));
  return { ...counters, rx: zero(counters.rx), tx: zero(counters.tx), missed: 0 };
}

/** The basic statistics of a port. */
export function portStats(counters: PortCounters): PortStats {
  const sum = (queues: readonly CounterValues[], name: QueueCounterName) =>
    queues.reduce((total, values) => total + counter(values, name), 0);
  return {
    ipackets: sum(counters.rx, 'good_packets'),
    opackets: sum(counters.tx, 'good_packets'),
    ibytes: sum(counters.rx, 'good_bytes'),
    obytes: sum(counters.tx, 'good_bytes'),
    imissed: counters.missed ?? 0,
    ierrors: sum(counters.rx, 'errors'),
    oerrors: sum(counters.tx, 'errors'),
    rxNombuf: sum(counters.rx, 'mbuf_alloc_failed'),
  };
}

/**
 * The extended statistics: rte_ethdev's generic ones, then its per-queue ones, then every counter of every
 * queue in use as "rx_q0_<name>", then `extra` (the driver's own, in its order).
 */
export function portXstats(
  counters: PortCounters,
  extra: Iterable<readonly [string, number]> = [],
): ReadonlyMap<string, number> {
  const stats = portStats(counters);
  const out = new Map<string, number>([
    ['rx_good_packets', stats.ipackets],
    ['tx_good_packets', stats.opackets],
    ['rx_good_bytes', stats.ibytes],
    ['tx_good_bytes', stats.obytes],
    ['rx_missed_errors', stats.imissed],
    ['rx_errors', stats.ierrors],
    ['tx_errors', stats.oerrors],
    ['rx_mbuf_allocation_errors', stats.rxNombuf],
  ]);
  const used = {
    rx: counters.rx.slice(0, counters.used?.rxQueues),
    tx: counters.tx.slice(0, counters.used?.txQueues),
  };
  used.rx.forEach((values, queue) => {
    addBasic(out, `rx_q${queue}`, values);
    out.set(`rx_q${queue}_errors`, counter(values, 'errors'));
  });
  used.tx.forEach((values, queue) => {
    addBasic(out, `tx_q${queue}`, values);
  });
  for (const role of ['rx', 'tx'] as const) {
    used[role].forEach((values, queue) => {
      for (const name of QUEUE_COUNTERS) out.set(`${role}_q${queue}_${name}`, counter(values, name));
    });
  }
  for (const [name, value] of extra) out.set(name, value);
  return out;
}

function addBasic(out: Map<string, number>, prefix: string, values: CounterValues): void {
  out.set(`${prefix}_packets`, counter(values, 'good_packets'));
  out.set(`${prefix}_bytes`, counter(values, 'good_bytes'));
}
