// SPDX-License-Identifier: BSD-3-Clause
// --latencystats: how long packets are in this process, from the burst that receives them to the burst that
// sends them, as DPDK's latencystats library measures it. Only the queues of such a run are wrapped, so that
// no other reads a clock; and packets go through mbufs, as a relay has no place for their time.
import type { Mempool } from '../../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../ethdev/port.ts';
import { native } from '../../native.ts';

/** What an lcore has measured, in ticks of the time-stamp counter: numbers that the main thread reads. */
export const LATENCY = { SAMPLES: 0, MIN: 1, MAX: 2, AVERAGE: 3, JITTER: 4, LAST: 5 } as const;
/** One cache line, so that lcores do not share one. */
export const LATENCY_WORDS = 8;

/** Ticks begin again behind it, after ten seconds or more: no packet is here for so long. */
const MAX_TICK = 0x7fff_ffff;
/** Weight of the newest sample in the average. */
const NEWEST = 0.2;
/** RFC 3550, 6.4.1: the difference of two samples counts for one sixteenth of the jitter. */
const JITTER_GAIN = 1 / 16;

/** Opens queues: an lcore, or what stands between. */
export interface QueueSource {
  rxQueue(port: number, queue: number): RxQueue;
  txQueue(port: number, queue: number): TxQueue;
}

/** The queues of an lcore, measuring into `stats` the packets that are in mbufs of `pool`. */
export class LatencyQueues implements QueueSource {
  readonly #source: QueueSource;
  readonly #pool: Mempool;
  readonly #stats: Float64Array;
  /** By mbuf: 1 plus the tick at which its packet was received; 0: it was not, or is measured. */
  readonly #times: Uint32Array;

  constructor(source: QueueSource, pool: Mempool, stats: Float64Array) {
    this.#source = source;
    this.#pool = pool;
    this.#stats = stats;
    this.#times = new Uint32Array(pool.count);
  }

  rxQueue(port: number, queue: number): RxQueue {
    const rx = this.#source.rxQueue(port, queue);
    const times = this.#times;
    return {
      interrupt: rx.interrupt,
      burst(pkts, n) {
        const received = rx.burst(pkts, n);
        if (received === 0) return 0;
        const time = native.tscTick() + 1;
        for (let i = 0; i < received; i++) times[pkts.ids[i]] = time;
        return received;
      },
    };
  }

  txQueue(port: number, queue: number): TxQueue {
    const tx = this.#source.txQueue(port, queue);
    return {
      // What is written in place was not received.
      inPlace: tx.inPlace,
      burst: (pkts, from, to) => {
        if (pkts.pool === this.#pool && from < to) this.#measure(pkts.ids, from, Math.min(to, pkts.capacity));
        return tx.burst(pkts, from, to);
      },
    };
  }

  /** HOT. Before the burst, as mbufs that are sent may be received into again. */
  #measure(ids: Uint32Array, from: number, to: number): void {
    const times = this.#times;
    const time = native.tscTick() + 1;
    for (let i = from; i < to; i++) {
      const id = ids[i];
      // Outside the array there is no time, and no mbuf.
      const then = times[id];
      if (!(then > 0)) continue;
      times[id] = 0;
      sample(this.#stats, (time - then) & MAX_TICK);
    }
  }
}

/** HOT. Counts one packet, by its ticks. */
export function sample(stats: Float64Array, ticks: number): void {
  if (stats[LATENCY.SAMPLES]++ === 0) {
    stats[LATENCY.MIN] = ticks;
    stats[LATENCY.MAX] = ticks;
    stats[LATENCY.AVERAGE] = ticks;
  } else {
    const change = Math.abs(ticks - stats[LATENCY.LAST]);
    stats[LATENCY.JITTER] += (change - stats[LATENCY.JITTER]) * JITTER_GAIN;
    stats[LATENCY.AVERAGE] += (ticks - stats[LATENCY.AVERAGE]) * NEWEST;
    if (ticks < stats[LATENCY.MIN]) stats[LATENCY.MIN] = ticks;
    if (ticks > stats[LATENCY.MAX]) stats[LATENCY.MAX] = ticks;
  }
  stats[LATENCY.LAST] = ticks;
}
