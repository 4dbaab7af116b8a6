// SPDX-License-Identifier: BSD-3-Clause
// A module for an lcore: runs the poll loop of an example for some rounds, on packets that all hold the same
// frame, and reports the least growth of its JavaScript heap in a window of them.
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { LcoreContext, LcoreMain } from '../../src/lcore/context.ts';

export interface Garbage {
  /** Path of the example. */
  readonly example: string;
  /** What each mbuf of its pools holds. */
  readonly frame: Uint8Array;
  /** The example's `lcore.data`. */
  readonly data: unknown;
}

/** Indices in `lcore.stats`: bytes, and the sum of the example's first counters. */
export const [GROWTH, COUNTED] = [0, 1];

/**
 * Rounds from one window to the next: long enough for the optimising compiler, whose own objects must not be
 * measured. The first ones run before it.
 */
const PERIOD = 10_000;
/** Rounds that are measured: so few that garbage of 16 bytes a packet stays below what V8 would collect. */
const WINDOW = 1500;
const PERIODS = 30;

export default async function measure(lcore: LcoreContext<Garbage>): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { example, frame, data } = lcore.data;
  const { default: loop } = (await import(example)) as { default: LcoreMain };
  const stats = new Float64Array(64);
  let round = 0;
  let before = 0;
  let growth = Number.POSITIVE_INFINITY;
  /** The same code at both ends of a window: code that is new to the compiler would end its optimisation. */
  const boundary = () => {
    if (round % PERIOD === 0) growth = Math.min(growth, getHeapStatistics().used_heap_size - before);
    collect();
    before = getHeapStatistics().used_heap_size;
  };
  loop({
    ...{ lcoreId: lcore.lcoreId, portCount: lcore.portCount, data, stats },
    running() {
      round++;
      if (round % PERIOD === 0 || (round + WINDOW) % PERIOD === 0) boundary();
      return round < PERIODS * PERIOD;
    },
    rxQueue: (port, queue) => lcore.rxQueue(port, queue),
    txQueue: (port, queue) => lcore.txQueue(port, queue),
    createSleeper: (queues) => lcore.createSleeper(queues),
    createPool(options) {
      const pool = lcore.createPool(options);
      for (let mbuf = 0; mbuf < pool.count; mbuf++) pool.bytes.set(frame, mbuf * pool.stride + pool.headroom);
      return pool;
    },
  });
  lcore.stats[GROWTH] = growth;
  lcore.stats[COUNTED] = stats[0] + stats[1] + stats[2];
}
