// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mempool } from '../../ethdev/mempool.ts';
import type { RxQueue } from '../../ethdev/port.ts';
import type { LcoreContext } from '../../lcore/context.ts';
import { EMPTY_POLLS } from '../settings.ts';
import { type RunPlan, STREAM_CYCLES, STREAM_RX, STREAM_STRIDE } from './engine.ts';
import loop, { type LoopData } from './loop.ts';
import { runPlan, streamPlan } from './plans.test-help.ts';

const BURST = 4;
const STREAMS = 2;
const POLLS = 10_000;

/** Log of the loop: 'n' packets for each poll of the first stream's queue, or 'sleep'. */
let polls: number;
let slept: number[];
let closed: number;
let counters: Float64Array;
let pools: Mempool[];
/** Polls when the loop reported that it forwards; null until then. */
let underWay: number | null;
const forwarding = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
/** Packets returned by the poll of this number. */
let traffic: (poll: number) => number;

beforeEach(() => {
  polls = 0;
  slept = [];
  closed = 0;
  pools = [];
  underWay = null;
  forwarding.fill(0);
  traffic = () => 0;
});
afterEach(() => {
  for (const pool of pools) pool.close();
});

/** Runs the loop on two streams for POLLS polls of the first. */
function run(plan: Partial<RunPlan>): void {
  const shared = new SharedArrayBuffer(8 * STREAMS * STREAM_STRIDE);
  counters = new Float64Array(shared);
  const queues: RxQueue[] = [];
  const data: LoopData = {
    run: runPlan({ mode: 'rxonly', burst: BURST, ...plan }),
    streams: Array.from({ length: STREAMS }, (_, index) =>
      streamPlan({ index, rxPort: index, txPort: index, rxId: index, txId: index }),
    ),
    counters: shared,
    forwarding,
  };
  const lcore = {
    data,
    running: () => {
      if (forwarding[0] > 0) underWay ??= polls;
      return polls < POLLS;
    },
    createPool: (options: object) => {
      const pool = new Mempool({ ...options, hugepages: false });
      pools.push(pool);
      return pool;
    },
    rxQueue: (port: number): RxQueue => {
      const queue: RxQueue = {
        burst: (pkts, n) => {
          // The second stream's queue is always empty.
          const count = port === 0 ? traffic(polls++) : 0;
          return count > 0 ? pkts.pool.alloc(pkts, Math.min(n, count)) : 0;
        },
      };
      queues[port] = queue;
      return queue;
    },
    txQueue: () => ({
      burst: (pkts: { pool: Mempool }, from: number, to: number) => {
        polls++;
        pkts.pool.free(pkts as never, from, to);
        return to - from;
      },
    }),
    createSleeper: (of: readonly RxQueue[]) => {
      expect(of).toEqual(queues);
      return { sleep: () => void slept.push(polls), close: () => void closed++ };
    },
  };
  loop(lcore as unknown as LcoreContext<LoopData>);
}

describe('the forwarding loop', () => {
  it('never sleeps when interrupts are off', () => {
    run({ emptyPolls: EMPTY_POLLS.off });
    expect([slept.length, closed, polls]).toEqual([0, 0, POLLS]);
  });

  it('sleeps after every empty round when interrupts are on', () => {
    traffic = (poll) => (poll % 2 === 0 ? 3 : 0);
    run({ emptyPolls: EMPTY_POLLS.on });
    expect(slept.length).toBe(POLLS / 2);
    expect(slept.slice(0, 3)).toEqual([2, 4, 6]);
    expect([closed, counters[STREAM_RX]]).toEqual([1, (POLLS / 2) * 3]);
  });

  it('sleeps after a number of empty rounds in adaptive mode, and packets reset the count', () => {
    const patience = EMPTY_POLLS.adaptive;
    expect(patience).toBeGreaterThan(100);
    traffic = (poll) => (poll === patience - 1 || poll === 2 * patience + 2 ? 1 : 0);
    run({ emptyPolls: patience });
    // Asleep from poll 2000 on, with one poll per wake-up; the third finds a packet.
    const first = 2 * patience;
    expect(slept.slice(0, 4)).toEqual([first, first + 1, first + 2, first + 3 + patience]);
  });

  it('regression: polls once, not a thousand times, after a spurious wake-up', () => {
    run({ emptyPolls: EMPTY_POLLS.adaptive });
    expect(slept).toHaveLength(POLLS - EMPTY_POLLS.adaptive + 1);
  });

  it('does not sleep under load in adaptive mode', () => {
    traffic = (poll) => (poll % 100 === 0 ? 1 : 0);
    run({ emptyPolls: EMPTY_POLLS.adaptive });
    expect(slept).toEqual([]);
  });

  it('polls in a mode that generates packets', () => {
    run({ mode: 'txonly', emptyPolls: EMPTY_POLLS.on });
    expect(slept).toEqual([]);
  });

  it('counts cycles of bursts with packets, whether polling or sleeping', () => {
    run({ recordCycles: true, emptyPolls: EMPTY_POLLS.on });
    expect(counters[STREAM_CYCLES]).toBe(0);
    polls = 0;
    traffic = () => 1;
    run({ recordCycles: true, emptyPolls: EMPTY_POLLS.on });
    expect(counters[STREAM_CYCLES]).toBeGreaterThan(0);
    expect(counters[STREAM_STRIDE + STREAM_CYCLES]).toBe(0);
  });

  it('reports that it forwards after the bursts of start tx_first', () => {
    run({ txFirst: 3, inPlace: false });
    // Each of the three bursts of either stream is a poll; then there was one round.
    expect([underWay, forwarding[0]]).toEqual([2 * 3 + 1, 1]);
  });

  it.each<[string, Partial<RunPlan>]>([
    ['polling', {}],
    ['counting cycles', { recordCycles: true }],
    ['sleeping', { emptyPolls: EMPTY_POLLS.on }],
  ])('regression: serves each stream once when it is stopped at once, as DPDK does: %s', (_, plan) => {
    traffic = () => 1;
    polls = POLLS;
    run(plan);
    expect(counters[STREAM_RX]).toBe(1);
  });
});
