// SPDX-License-Identifier: BSD-3-Clause
// Frames that come when their trial is over, as after a stall of the far end that lasts longer than the
// drain.
import { expect, it } from 'vitest';
import { type MbufVector, Mempool } from '../../../src/ethdev/mempool.ts';
import type { RxQueue } from '../../../src/ethdev/port.ts';
import { compileStream } from '../plan/compile.ts';
import type { FramePlan } from '../plan/frame-plan.ts';
import { Clock } from './clock.ts';
import { FrameWriter } from './frame-writer.ts';
import {
  G_FOREIGN,
  latencyCounts,
  newSharedMemory,
  S_DUPLICATES,
  S_RECEIVED,
  S_REORDERED,
  S_SENT,
  streamCounters,
} from './layout.ts';
import { Receiver } from './receiver.ts';

const MACS = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };
const TAG = 0x5a5a_5a00;

it('regression: frames of the warm-up counted as those of the run with the same numbers', () => {
  const { plan } = compileStream({}, 0, MACS, '', 1);
  const frame = plan.frame as FramePlan;
  using pool = disposable(new Mempool({ count: 256 }));
  const writer = new FrameWriter(frame, pool.own, TAG, plan.seed);
  const memory = newSharedMemory(1);
  const global = new Float64Array(memory.global);
  const counters = streamCounters(memory, 0);
  let due = 0;
  const rx = {
    burst(pkts: MbufVector): number {
      const n = Math.min(due, 8);
      pool.own.alloc(pkts, n);
      for (let i = 0; i < n; i++) writer.write(pkts.ids[i] as number, 0);
      counters[S_SENT] = (counters[S_SENT] as number) + n;
      due -= n;
      return n;
    },
  };
  const receiver = new Receiver({
    ...{ rx: rx as unknown as RxQueue, pool: pool.own, clock: new Clock(), tag: TAG, global },
    ...{ signatures: [frame.headers.length], counters: [counters], latencies: [latencyCounts(memory, 0)] },
    unitsPerTick: 1,
  });
  const takes = (frames: number) => {
    due = frames;
    while (receiver.poll() > 0);
    return [S_RECEIVED, S_REORDERED, S_DUPLICATES].map((at) => counters[at]).concat(global[G_FOREIGN]);
  };
  writer.reset(1);
  receiver.begin(1);
  expect(takes(100)).toEqual([100, 0, 0, 0]);
  counters.fill(0);
  receiver.begin(2);
  expect(takes(24)).toEqual([0, 0, 0, 24]);
  writer.reset(2);
  expect(takes(200)).toEqual([200, 0, 0, 24]);
});

const disposable = (own: Mempool) => ({ own, [Symbol.dispose]: () => own.close() });
