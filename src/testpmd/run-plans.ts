// SPDX-License-Identifier: BSD-3-Clause
// What the lcores of a run are given, of the settings as they are: plain data for other threads.
import type { Port } from '../ethdev/port.ts';
import type { CsumPlan, RunPlan, StreamPlan } from './fwd/engine.ts';
import type { Run } from './run.ts';
import { csumPlan, EMPTY_POLLS, MBUF_HEADROOM, peerMac, poolSize, type Settings } from './settings.ts';
import type { LcoreStreams, Stream } from './streams.ts';

export interface LcorePlans {
  readonly lcore: number;
  readonly streams: readonly StreamPlan[];
}

/** The streams of each lcore of the run, without those that are stopped. */
export function lcorePlans(settings: Settings, { lcores, ports }: Run): LcorePlans[] {
  let index = 0;
  return lcores.map(({ lcore, streams }: LcoreStreams) => {
    const plans = streams.map((stream) => ({ stream, index: index++ }));
    const running = plans.filter(({ stream }) => isRunning(settings, ports, stream));
    return { lcore, streams: running.map(({ stream, index }) => streamPlan(settings, ports, stream, index)) };
  });
}

/** As in testpmd, the streams of a queue that is stopped do not run. */
function isRunning({ soft }: Settings, ports: readonly Port[], stream: Stream): boolean {
  const { rxPort, rxQueue, txPort, txQueue } = stream;
  const isStopped = (id: number, role: 'rx' | 'tx', queue: number) => {
    const port = ports.find((candidate) => candidate.id === id);
    return port !== undefined && soft.of(port).isStopped(role, queue);
  };
  return !isStopped(rxPort, 'rx', rxQueue) && !isStopped(txPort, 'tx', txQueue);
}

function streamPlan(settings: Settings, ports: readonly Port[], stream: Stream, index: number): StreamPlan {
  const { soft, rxQueues, groPorts, groCycles } = settings;
  const [rxPort, txPort] = [stream.rxPort, stream.txPort].map((id) =>
    ports.findIndex((port) => port.id === id),
  ) as [number, number];
  const [rx, tx] = [ports[rxPort], ports[txPort]];
  return {
    ...stream,
    index,
    rxPort,
    txPort,
    rxId: stream.rxPort,
    txId: stream.txPort,
    txMac: soft.macOf(tx),
    peerMac: peerMac(settings, stream.txPort),
    csum: csumOf(settings, stream.txPort),
    gro: groPorts.has(stream.rxPort) ? groCycles : 0,
    checks: soft.of(rx).checks,
    rxOffload: soft.rxPlan(rx, rxQueues) ?? undefined,
    txOffload: soft.of(tx).txPlan() ?? undefined,
    txQueues: tx.config.txQueues,
  };
}

function csumOf(settings: Settings, txPort: number): CsumPlan {
  const { gsoPorts, gsoSize } = settings;
  return { ...csumPlan(settings, txPort), gso: gsoPorts.has(txPort) ? gsoSize : 0 };
}

/** What all lcores of a run of this mode do alike. */
export function runPlan(s: Settings, mode: string, txFirst: number): RunPlan {
  return {
    mode,
    burst: s.burst,
    verbose: s.verbose,
    retries: s.retry ? s.burstTxRetries : 0,
    retryDelay: s.burstTxDelay,
    txSegments: s.txSegments,
    traffic: s.traffic,
    txFirst,
    recordCycles: s.recordCycles,
    inPlace: s.inPlace,
    emptyPolls: EMPTY_POLLS[s.rxInterrupt],
    mbufs: poolSize(s),
    dataRoom: s.mbufSize - MBUF_HEADROOM,
    hugepages: s.hugepages,
  };
}
