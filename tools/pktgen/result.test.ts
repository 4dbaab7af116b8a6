// SPDX-License-Identifier: BSD-3-Clause
// What the figures say while frames are on their way, and once they are not.
import { expect, it } from 'vitest';
import { captureLines } from './capture.ts';
import { DisturbanceMeter } from './disturbance.ts';
import {
  DONE,
  DRAINING,
  latencyCounts,
  newSharedMemory,
  PHASE,
  S_DUPLICATES,
  S_JITTER,
  S_LATENCY_MAX,
  S_LATENCY_MIN,
  S_LATENCY_SUM,
  S_RECEIVED,
  S_SAMPLES,
  S_SENT,
  SENDING,
  streamCounters,
} from './engine/layout.ts';
import { readResult, type TrialResult } from './result.ts';
import { snapshotsOf } from './telemetry.ts';
import { bitsText, gapLine } from './text.ts';

const CONTEXT = { names: ['a', 'b'], hz: 1e9, nsPerUnit: 1 };

/** Two streams that have sent 10 frames each, of which `b` has 3 back, one of them twice. */
function memoryIn(phase: number) {
  const memory = newSharedMemory(2);
  new Int32Array(memory.control)[PHASE] = phase;
  const [a, b] = [0, 1].map((i) => streamCounters(memory, i)) as [Float64Array, Float64Array];
  a[S_SENT] = b[S_SENT] = 10;
  a[S_RECEIVED] = 10;
  b[S_RECEIVED] = 4;
  b[S_DUPLICATES] = 1;
  return memory;
}

it.each([SENDING, DRAINING])(
  'regression: what may still come is in flight and not lost: phase %i',
  (phase) => {
    const { inFlight, lost, received, streams } = readResult(memoryIn(phase), CONTEXT);
    expect({ inFlight, lost, received }).toEqual({ inFlight: 7, lost: 0, received: 13 });
    expect(streams.map((stream) => [stream.inFlight, stream.lost])).toEqual([
      [0, 0],
      [7, 0],
    ]);
  },
);

it('regression: latencies are whole nanoseconds', () => {
  const memory = memoryIn(DONE);
  const own = streamCounters(memory, 0);
  own[S_SAMPLES] = 3;
  own[S_LATENCY_MIN] = 10;
  own[S_LATENCY_MAX] = 30;
  own[S_LATENCY_SUM] = 61;
  own[S_JITTER] = 0.7;
  latencyCounts(memory, 0)[20] = 3;
  const { latency } = readResult(memory, { ...CONTEXT, nsPerUnit: 1.3 });
  expect(latency).toMatchObject({ samples: 3, minNs: 13, avgNs: 26, maxNs: 39, jitterNs: 1 });
  expect(Object.values(latency ?? {}).every(Number.isInteger)).toBe(true);
});

it('once the drain is over, it is lost', () => {
  const { inFlight, lost } = readResult(memoryIn(DONE), CONTEXT);
  expect({ inFlight, lost }).toEqual({ inFlight: 0, lost: 7 });
});

it('regression: a client that asks for the totals and then for the streams gets those of one moment', () => {
  let [count, now] = [0, 0];
  const { latest, streamsOfLatest } = snapshotsOf(
    () => ++count,
    () => now,
  );
  expect(streamsOfLatest()).toBe(1);
  now = 100;
  expect(latest()).toBe(2);
  now = 400;
  expect(streamsOfLatest()).toBe(2);
  expect(latest()).toBe(3);
  // One who asks for the streams alone does not wait for others to ask for the totals.
  now = 5000;
  expect(streamsOfLatest()).toBe(4);
  now = 5100;
  expect(streamsOfLatest()).toBe(5);
});

it('one is not many', () => {
  const gaps = { samples: 10, medianNs: 1, p99Ns: 2, near: 1, undisturbed: 9, nearUndisturbed: 1 };
  expect(gapLine({ ...gaps, away: 1 })).toMatch(/; preempted once for 3 us or more$/);
  expect(gapLine({ ...gaps, away: 2 })).toMatch(/; preempted 2 times for 3 us or more$/);
  const counts = { file: 'a', frames: 1, dropped: 0, filtered: 0, failure: null };
  expect([captureLines(counts), captureLines({ ...counts, frames: 3, dropped: 2 })]).toEqual([
    ['captured 1 frame in a'],
    ['captured 3 frames in a, 2 more did not fit'],
  ]);
});

it('regression: two lines said nearly the same of what they count from 3 and from 100 us', () => {
  const stalls = { count: 735, longestUs: 132_400, share: 0.5 };
  const lines = (longestUs: number) =>
    new DisturbanceMeter(-1).lines({ stalls: { ...stalls, longestUs } } as TrialResult, [0, 1]);
  expect(lines(132_400)).toContain(
    'disturbed: the loop was preempted 735 times for 100 us or more, 132 ms at most',
  );
  expect(lines(312)).toContain(
    'disturbed: the loop was preempted 735 times for 100 us or more, 312 us at most',
  );
});

it('regression: few bits are not shown as none', () => {
  expect([0, 0.5123, 672, 9999, 10_000, 2.5e9].map(bitsText)).toEqual([
    ...['0.00 Mbit/s', '0.512 bit/s', '672 bit/s', '10000 bit/s', '0.01 Mbit/s', '2.50 Gbit/s'],
  ]);
});
