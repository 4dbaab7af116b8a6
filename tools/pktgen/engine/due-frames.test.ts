// SPDX-License-Identifier: BSD-3-Clause
// How many frames are due until the end of a trial.
import { expect, it } from 'vitest';
import { type MbufVector, Mempool } from '../../../src/ethdev/mempool.ts';
import { compileStream } from '../plan/compile.ts';
import { Clock } from './clock.ts';
import { CpuWatch } from './cpu-watch.ts';
import { gapCounts, newSharedMemory, S_SENT, SET_MAX_LAG, streamCounters } from './layout.ts';
import { BURST, type SenderParts, StreamSender } from './stream-sender.ts';

const MACS = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };

/** Frames that a queue with room gets in `end` ticks. */
function sentIn(end: number, interval: number): number {
  const pool = new Mempool({ count: 2 * BURST });
  try {
    const memory = newSharedMemory(1);
    const [global, settings] = [new Float64Array(memory.global), new Float64Array(memory.settings)];
    settings[SET_MAX_LAG] = Number.POSITIVE_INFINITY;
    const [clock, counters] = [new Clock(), streamCounters(memory, 0)];
    const tx = {
      burst: (pkts: MbufVector, from: number, to: number) => {
        pool.free(pkts, from, to);
        return to - from;
      },
    };
    const { plan } = compileStream({}, 0, MACS, '', 1);
    const sender = new StreamSender({
      ...{ plan, pool, tx, clock, watch: new CpuWatch(clock, global), tag: 0x5a5a_5a00, settings, counters },
      ...{ global, gaps: gapCounts(memory), unitsPerTick: 1 },
    } as unknown as SenderParts);
    sender.begin(interval, end, Number.POSITIVE_INFINITY, 1);
    (clock as unknown as { now: Float64Array }).now[0] = 2 * end;
    for (let before = -1; before !== counters[S_SENT]; sender.poll()) before = counters[S_SENT] as number;
    sender.end();
    return counters[S_SENT] as number;
  } finally {
    pool.close();
  }
}

it.each([...[700, 900, 1000, 1001, 1300, 1700, 3000, 7000]])(
  'regression: the frame after the last of %i is not due, though sums of intervals are not exact',
  (frames) => {
    // As coarse as the sums of a long run at a high rate.
    const end = 2 ** 50;
    expect(sentIn(end, end / frames)).toBe(frames);
  },
);

it('a frame that is due just before the end is due', () => {
  expect([sentIn(10_000, 1000), sentIn(10_004, 1000), sentIn(9996, 1000)]).toEqual([10, 11, 10]);
});
