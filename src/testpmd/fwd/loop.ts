// SPDX-License-Identifier: BSD-3-Clause
// The loop of a forwarding lcore: serves its streams in turn until the main lcore stops it.
import type { LcoreContext } from '../../lcore/context.ts';
import { native } from '../../native.ts';
import { BURST_COUNTS, counting } from './burst-stats.ts';
import {
  type FwdEngine,
  type FwdStream,
  type RunPlan,
  STREAM_CYCLES,
  STREAM_STRIDE,
  type StreamPlan,
} from './engine.ts';
import { engineNamed } from './engines.ts';
import { LatencyQueues } from './latency.ts';
import { StreamQueues } from './stream-queues.ts';
import { waitingMbufs } from './traffic.ts';
import { txonly } from './txonly.ts';
import { wrapped } from './verbose.ts';

export interface LoopData {
  readonly run: RunPlan;
  readonly streams: readonly StreamPlan[];
  /** STREAM_STRIDE float64 counters for each stream of the run, by its index. */
  readonly counters: SharedArrayBuffer;
  /** BURST_COUNTS float64 for each stream, by its index; absent: bursts are not counted. */
  readonly bursts?: SharedArrayBuffer;
  /** LATENCY_WORDS float64 of this lcore; absent: latency is not measured. */
  readonly latency?: SharedArrayBuffer;
  /** One word: how many lcores of the run have sent their first bursts and forward now. */
  readonly forwarding: Int32Array;
}

export default function loop(lcore: LcoreContext<LoopData>): void {
  const { run, forwarding } = lcore.data;
  // DPDK's name, by which top and pidstat are told to find it.
  native.setThreadName(`dpdk-worker${lcore.lcoreId}`);
  const engine = engineNamed(run.mode);
  const { streams, queues } = openStreams(lcore, engine);
  if (run.txFirst > 0) sendFirst(streams, queues, lcore);
  engine.begin?.(lcore);
  for (const stream of streams) engine.streamInit?.(stream, lcore);
  Atomics.add(forwarding, 0, 1);
  Atomics.notify(forwarding, 0);
  // As in testpmd, a loop that is stopped at once has served each stream once.
  if (run.emptyPolls > 0 && !engine.generates && !queues.polledOnly) forwardSleeping(engine, streams, lcore);
  else if (run.recordCycles) forwardCounting(engine, streams, lcore);
  else forward(engine, streams, lcore);
  for (const stream of streams) engine.end?.(stream);
  queues.close();
}

function openStreams(
  lcore: LcoreContext<LoopData>,
  engine: FwdEngine,
): { streams: FwdStream[]; queues: StreamQueues } {
  const { run, streams: plans, counters, bursts, latency } = lcore.data;
  const count = run.mbufs + plans.length * waitingMbufs(run.mode, run.traffic);
  const pool = lcore.createPool({ count, dataRoom: run.dataRoom, hugepages: run.hugepages });
  // All streams share one vector: what a stream of mode noisy keeps is not in it.
  const pkts = pool.vector(Math.max(1, run.burst));
  const source = latency ? new LatencyQueues(lcore, pool, new Float64Array(latency)) : lcore;
  const queues = new StreamQueues(source, pool, pkts.capacity);
  const streams = plans.map((plan) => {
    let rx = queues.rx(plan);
    let tx = queues.tx(plan, engine.tags === true);
    if (bursts) {
      const counts = new Float64Array(bursts, plan.index * BURST_COUNTS * 8, BURST_COUNTS);
      ({ rx, tx } = counting(rx, tx, counts));
    }
    if (run.verbose > 0) ({ rx, tx } = wrapped(run.verbose, plan, rx, tx));
    return {
      plan,
      run,
      rx,
      tx,
      pool,
      pkts,
      counters: new Float64Array(counters, plan.index * STREAM_STRIDE * 8, STREAM_STRIDE),
      running: () => lcore.running(),
      state: undefined,
    };
  });
  return { streams, queues };
}

/** Sends the bursts of `start tx_first`, with tags as txonly has, at once whatever `set txtimes` says. */
function sendFirst(streams: readonly FwdStream[], queues: StreamQueues, lcore: LcoreContext): void {
  for (const { run, ...others } of streams) {
    const { plan } = others;
    const traffic = { ...run.traffic, interBurst: 0, intraBurst: 0 };
    const tx = plan.txOffload ? queues.tx(plan, true) : others.tx;
    const stream: FwdStream = { ...others, tx, run: { ...run, traffic } };
    txonly.streamInit?.(stream, lcore);
    for (let i = 0; i < run.txFirst && lcore.running(); i++) txonly.packetFwd(stream);
    txonly.end?.(stream);
  }
}

function forward(engine: FwdEngine, streams: readonly FwdStream[], lcore: LcoreContext): void {
  do {
    for (let i = 0; i < streams.length; i++) engine.packetFwd(streams[i]);
  } while (lcore.running());
}

function forwardCounting(engine: FwdEngine, streams: readonly FwdStream[], lcore: LcoreContext): void {
  do countedRound(engine, streams);
  while (lcore.running());
}

/**
 * Interrupt mode. It counts empty rounds instead of time, since reading a clock would cost more than the
 * polls. Sleeping does not reset the count: after a wake-up without packets (a link change, event-loop work
 * of the thread) one empty round is enough to sleep again.
 */
function forwardSleeping(
  engine: FwdEngine,
  streams: readonly FwdStream[],
  lcore: LcoreContext<LoopData>,
): void {
  const { emptyPolls, recordCycles } = lcore.data.run;
  const round = recordCycles ? countedRound : plainRound;
  const sleeper = lcore.createSleeper(streams.map(({ rx }) => rx));
  let empty = 0;
  do {
    if (round(engine, streams) > 0) empty = 0;
    else if (++empty >= emptyPolls) sleeper.sleep();
  } while (lcore.running());
  sleeper.close();
}

/** Runs one burst of each stream; returns the number of packets. */
function plainRound(engine: FwdEngine, streams: readonly FwdStream[]): number {
  let packets = 0;
  for (let i = 0; i < streams.length; i++) packets += engine.packetFwd(streams[i]);
  return packets;
}

function countedRound(engine: FwdEngine, streams: readonly FwdStream[]): number {
  let packets = 0;
  for (let i = 0; i < streams.length; i++) {
    native.tscLap();
    const handled = engine.packetFwd(streams[i]);
    if (handled > 0) streams[i].counters[STREAM_CYCLES] += native.tscLap();
    packets += handled;
  }
  return packets;
}
