// SPDX-License-Identifier: BSD-3-Clause
// The settings of a run, and a stream of it, for tests that run a forward mode or the loop without a session.
import { type FwdStream, type RunPlan, STREAM_STRIDE, type StreamPlan } from './engine.ts';
import { defaultTraffic } from './traffic.ts';

/** What testpmd does by itself, but few mbufs and a short burst. */
export const runPlan = (changes: Partial<RunPlan> = {}): RunPlan => ({
  mode: '',
  burst: 4,
  verbose: 0,
  retries: 0,
  retryDelay: 0,
  txSegments: [64],
  traffic: defaultTraffic(),
  txFirst: 0,
  recordCycles: false,
  inPlace: true,
  emptyPolls: 0,
  mbufs: 64,
  dataRoom: 2048,
  hugepages: false,
  ...changes,
});

/** From port 0 to port 1. */
export const streamPlan = (changes: Partial<StreamPlan> = {}): StreamPlan => ({
  ...{ index: 0, rxPort: 0, rxQueue: 0, txPort: 1, txQueue: 0, rxId: 0, txId: 1 },
  ...{ txMac: '02:00:00:00:00:0a', peerMac: '02:00:00:00:00:0b' },
  ...changes,
});

export interface FwdStreamOptions extends Pick<FwdStream, 'rx' | 'tx' | 'pool'> {
  readonly run?: Partial<RunPlan>;
  readonly plan?: Partial<StreamPlan>;
  /** Where lcores share counters; plain memory by default. */
  readonly counters?: Float64Array;
}

/** A stream with a vector for its burst, which runs until nobody calls it. */
export function fwdStream(options: FwdStreamOptions): FwdStream {
  const { rx, tx, pool, counters = new Float64Array(STREAM_STRIDE) } = options;
  const run = runPlan(options.run);
  return {
    plan: streamPlan(options.plan),
    run,
    rx,
    tx,
    pool,
    pkts: pool.vector(Math.max(1, run.burst)),
    counters,
    running: () => true,
    state: undefined,
  };
}
