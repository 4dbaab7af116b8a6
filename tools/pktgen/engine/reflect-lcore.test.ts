// SPDX-License-Identifier: BSD-3-Clause
// The far end's loop over queues that give what they are told to.
import { afterEach, expect, it } from 'vitest';
import { type MbufVector, Mempool, type MempoolOptions } from '../../../src/ethdev/mempool.ts';
import type { LcoreContext } from '../../../src/lcore/context.ts';
import type { ReplayPlan } from '../plan/frame-plan.ts';
import { A_MISSING, A_OTHERS, A_WHOLE, G_GAPS_AWAY, newReflectMemory } from './layout.ts';
import reflect, { REFLECTED, REFLECTED_BYTES, REHEARSED, type ReflectPlan } from './reflect-lcore.ts';

const pools: Mempool[] = [];
afterEach(() => {
  for (const pool of pools.splice(0)) pool.close();
});

const PACKETS = 5;
const LENGTH = 61;
const WORDS = 16;
/** Of each byte of a packet of the capture. */
const byteOf = (packet: number, i: number) => (31 * packet + 7 * i) & 0xff;

function replayOf(): ReplayPlan {
  const words = new Uint32Array(PACKETS * WORDS);
  const bytes = new Uint8Array(words.buffer);
  for (let packet = 0; packet < PACKETS; packet++)
    for (let i = 0; i < LENGTH; i++) bytes[4 * WORDS * packet + i] = byteOf(packet, i);
  return {
    words,
    starts: Uint32Array.from({ length: PACKETS }, (_, i) => WORDS * i),
    lengths: new Uint32Array(PACKETS).fill(LENGTH),
    dues: Float64Array.from({ length: PACKETS }, (_, i) => 1000 * i),
    loopGap: 1000,
  };
}

interface Way {
  /** Packets of the capture that come, one a round; -1: another. */
  readonly come: readonly number[];
  /** Rounds before the first. */
  readonly idle: number;
  readonly warmUp: number;
  /** Milliseconds for which the loop is away before the first. */
  readonly away?: number;
}

/** Runs the loop until all are sent back. */
function reflected({ come, idle, warmUp, away = 0 }: Way) {
  const memory = newReflectMemory(null);
  const sent: number[] = [];
  let rounds = 0;
  let next = 0;
  const rx = (pkts: MbufVector): number => {
    if (++rounds <= idle || next === come.length) return 0;
    if (next === 0) for (const end = performance.now() + away; performance.now() < end; );
    const { pool, ids } = pkts;
    if (pool.alloc(pkts, 1, LENGTH) === 0) return 0;
    const [packet, mbuf] = [come[next++] as number, ids[0] as number];
    const at = mbuf * pool.stride + (pool.dataOff[mbuf] as number);
    for (let i = 0; i < LENGTH; i++) pool.bytes[at + i] = packet < 0 ? 0xee : byteOf(packet, i);
    return 1;
  };
  const tx = (pkts: MbufVector, from: number, to: number): number => {
    for (let i = from; i < to; i++) {
      const mbuf = pkts.ids[i] as number;
      sent.push(pkts.pool.bytes[mbuf * pkts.pool.stride + (pkts.pool.dataOff[mbuf] as number)] as number);
    }
    pkts.pool.free(pkts, from, to);
    return to - from;
  };
  const stats = new Float64Array(16);
  const lcore = {
    data: {
      ...{ hugepages: false, host: null, warmUp, memory, replay: replayOf(), speed: 1, largest: LENGTH },
    },
    stats,
    running: () => sent.length < come.length,
    createPool: (options?: MempoolOptions) => {
      const pool = new Mempool(options);
      pools.push(pool);
      return pool;
    },
    rxQueue: () => ({ burst: rx }),
    txQueue: () => ({ burst: tx }),
  };
  reflect(lcore as unknown as LcoreContext<ReflectPlan>);
  const arrivals = new Float64Array(memory.arrivals);
  const global = new Float64Array(memory.global);
  return { stats, sent, global, arrivals: [A_WHOLE, A_MISSING, A_OTHERS].map((i) => arrivals[i]) };
}

it.each([
  ['without a rehearsal', 0, 0],
  ['that come while it rehearses, and end that', 1000, 3600],
])('sends back and counts the packets of a capture %s', (_, idle, warmUp) => {
  const { stats, sent, arrivals } = reflected({ come: [0, 1, 2, 3, 4, 0, 1], idle, warmUp });
  expect([stats[REFLECTED], stats[REFLECTED_BYTES], stats[REHEARSED]]).toEqual([7, 7 * LENGTH, 1]);
  // Source and destination have changed places.
  expect(sent).toEqual([0, 1, 2, 3, 4, 0, 1].map((packet) => byteOf(packet, 6)));
  expect(arrivals).toEqual([7, 0, 0]);
});

it('tells which are missing, and which are not of the capture', () => {
  const { stats, arrivals } = reflected({ come: [0, -1, 3, 4, -1, 1], idle: 0, warmUp: 0 });
  expect(stats[REFLECTED]).toBe(6);
  expect(arrivals).toEqual([4, 3, 2]);
});

it('regression: all that had to wait while the loop was away is disturbed, in however many bursts it comes', () => {
  const come = Array.from({ length: 100 }, (_, i) => i % PACKETS);
  expect(reflected({ come, idle: 10, warmUp: 0, away: 5 }).global[G_GAPS_AWAY]).toBe(99);
});
