// SPDX-License-Identifier: BSD-3-Clause
// Starts and stops forwarding: plans streams, launches and monitors their lcores, and keeps the statistics.
import { extname } from 'node:path';
import { ports as openPorts } from '../drivers/registry.ts';
import { ALL_OFFLOADS } from '../ethdev/offloads.ts';
import type { Port } from '../ethdev/port.ts';
import { type Lcore, launch } from '../lcore/launch.ts';
import type { LcorePlace } from '../lcore/lcore-list.ts';
import { native } from '../native.ts';
import { allForward } from './all-forward.ts';
import { BURST_COUNTS } from './fwd/burst-stats.ts';
import {
  type CsumPlan,
  type RunPlan,
  STREAM_BAD_IP,
  STREAM_BAD_L4,
  STREAM_BAD_OUTER_IP,
  STREAM_BAD_OUTER_L4,
  STREAM_CYCLES,
  STREAM_DROPPED,
  STREAM_RX,
  STREAM_STRIDE,
  STREAM_TX,
  type StreamPlan,
} from './fwd/engine.ts';
import type { LoopData } from './fwd/loop.ts';
import { variationFault } from './fwd/tx-frames.ts';
import { Metrics } from './metrics/metrics.ts';
import { flowgenFault, txSegmentsFault } from './options.ts';
import type { Output } from './output.ts';
import { NOTHING, type PortCounts, portCounts, statsSince, txErrors } from './port-counts.ts';
import { csumPlan, EMPTY_POLLS, MBUF_HEADROOM, peerMac, poolSize, type Settings } from './settings.ts';
import { assignStreams, type LcoreStreams, makeStreams, type Stream } from './streams.ts';
import { fwdConfigText, fwdStatsText, type StreamCounts } from './text/fwd-text.ts';
import { rxtxConfigText } from './text/port-text.ts';

interface Run {
  readonly mode: string;
  readonly lcores: readonly LcoreStreams[];
  readonly ports: readonly Port[];
  readonly counters: Float64Array;
  /** BURST_COUNTS for each stream; null until they are recorded. */
  bursts: Float64Array | null;
  /** Time-stamp counter at the start. */
  readonly startTsc: number;
  /** Port counters at the start, by port id. */
  readonly baseline: Map<number, PortCounts>;
  /**
   * Drop counters of the TX queues at the end, since the ports may have different queues by now. Null while
   * running.
   */
  txErrors: Map<number, readonly number[]> | null;
}

export class Forwarding {
  /** Called when an lcore fails. */
  onFailure: (error: Error) => void = () => {};
  /** Whether all lcores of the latest run ended in order. */
  endedInOrder = true;
  readonly metrics: Metrics;
  readonly #settings: Settings;
  readonly #places: readonly LcorePlace[];
  readonly #output: Output;
  /** Aborted when the session is to end. */
  readonly #hurried: AbortSignal;
  #lcores: Lcore[] = [];
  #run: Run | null = null;
  #running = false;

  /** `places` are the forwarding lcores. */
  constructor(settings: Settings, places: readonly LcorePlace[], output: Output, hurried: AbortSignal) {
    this.#settings = settings;
    this.metrics = new Metrics(settings, openPorts);
    this.#places = places;
    this.#output = output;
    this.#hurried = hurried;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Whether forwarding is running and uses the port. */
  uses(port: Port): boolean {
    return this.#running && (this.#run?.ports.includes(port) ?? false);
  }

  /** How the streams of `ports` would be assigned to lcores now. */
  plan(ports: readonly Port[]): LcoreStreams[] {
    const { rxQueues, txQueues, topology, nbCores, coreList } = this.#settings;
    const ids = ports.map((port) => port.id);
    const streams = makeStreams(ids, Math.min(rxQueues, txQueues), topology);
    const cores = (coreList ?? this.#places.map((place) => place.id)).slice(0, nbCores);
    return assignStreams(streams, cores, (stream) => this.#shared(ports, stream));
  }

  /** Ports whose queues the stream shares with other streams, all of which then run on one lcore. */
  #shared(ports: readonly Port[], { rxPort, txPort }: Stream): string[] {
    const { soft, rxQueues, txQueues } = this.#settings;
    const [rx, tx] = [rxPort, txPort].map((id) => ports.find((port) => port.id === id));
    const steered = rx && soft.of(rx).steers(rxQueues, soft.spreadsPort(rx, rxQueues));
    const joined = tx && soft.spreads && txQueues > tx.info.maxTxQueues;
    return [...(steered ? [`rx ${rxPort}`] : []), ...(joined ? [`tx ${txPort}`] : [])];
  }

  /**
   * TSC cycles of a forwarding lcore, those on packets only with record-core-cycles; undefined for others.
   */
  lcoreUsage(id: number): { total: number; busy: number } | undefined {
    const run = this.#run;
    if (!run || !this.#running || !run.lcores.some(({ lcore }) => lcore === id)) return undefined;
    let index = 0;
    let busy = 0;
    for (const { lcore, streams } of run.lcores) {
      for (const _ of streams) {
        if (lcore === id) busy += run.counters[index * STREAM_STRIDE + STREAM_CYCLES];
        index++;
      }
    }
    return { total: native.rdtsc() - run.startTsc, busy };
  }

  configText(ports: readonly Port[]): string {
    return fwdConfigText(this.#settings, this.plan(ports), ports.length);
  }

  rxtxText(ports: readonly Port[]): string {
    return rxtxConfigText(this.#settings, ports, this.plan(ports).length);
  }

  /**
   * Starts forwarding, after sending `txFirst` bursts on each stream; resolves when every lcore forwards.
   * Reports an error and returns false on failure.
   */
  async start(ports: readonly Port[], txFirst: number): Promise<boolean> {
    const refusal = this.#refusal(ports, txFirst);
    if (refusal !== null) {
      this.#output.complain(refusal);
      return false;
    }
    this.#output.print(this.configText(ports));
    if (this.#settings.mode === 'flowgen') {
      const { flowgenFlows } = this.#settings.traffic;
      for (const { id } of ports) this.#output.print(`  number of flows for port ${id}: ${flowgenFlows}`);
    }
    this.#output.print(this.rxtxText(ports));
    const lcores = this.plan(ports);
    const streams = lcores.reduce((sum, lcore) => sum + lcore.streams.length, 0);
    this.#run = {
      mode: this.#settings.mode,
      lcores,
      ports: [...ports],
      counters: new Float64Array(new SharedArrayBuffer(streams * STREAM_STRIDE * 8)),
      baseline: new Map(ports.map((port) => [port.id, portCounts(port)])),
      bursts: null,
      startTsc: native.rdtsc(),
      txErrors: null,
    };
    this.#running = true;
    this.#joinOffloads(this.#run);
    return this.#launch(this.#run, txFirst);
  }

  /** Stops forwarding and prints its statistics; false if forwarding was not running. */
  async stop(): Promise<boolean> {
    if (!this.#running) {
      this.#output.complain('Packet forwarding not started');
      return false;
    }
    this.#output.print('Telling cores to stop...\nWaiting for lcores to finish...');
    await this.#stopLcores();
    this.#output.print(this.statsText([]));
    this.#output.print('\nDone.');
    return true;
  }

  /**
   * Settings of the run have changed: its lcores start again with them, and the statistics go on. So no loop
   * has to look for changes.
   */
  async apply(): Promise<void> {
    const run = this.#run;
    if (!this.#running || run === null) return;
    const ending = this.#lcores;
    this.#lcores = [];
    await Promise.allSettled(ending.map((lcore) => lcore.stop()));
    this.#run = this.#replanned(run);
    await this.#launch(this.#run, 0);
  }

  /** The run with its streams on the lcores where they belong now, each with its counters. */
  #replanned(run: Run): Run {
    const lcores = this.plan(run.ports);
    const key = (stream: Stream) => `${stream.rxPort} ${stream.rxQueue} ${stream.txPort} ${stream.txQueue}`;
    const keys = (of: readonly LcoreStreams[]) => of.flatMap(({ streams }) => streams.map(key));
    const [before, after] = [keys(run.lcores), keys(lcores)];
    const from = after.map((name) => before.indexOf(name));
    return {
      ...run,
      lcores,
      counters: rearranged(run.counters, STREAM_STRIDE, from),
      bursts: run.bursts && rearranged(run.bursts, BURST_COUNTS, from),
    };
  }

  /** Forward statistics of the current or last run; all zero for `ports` if there has been none. */
  statsText(ports: readonly Port[]): string {
    const run = this.#run;
    const shown = run?.ports ?? ports;
    const streams = run ? this.#streamCounts(run) : [];
    const counts = shown.map((port) => ({
      id: port.id,
      stats: run ? statsSince(port.stats(), (run.baseline.get(port.id) ?? NOTHING).stats) : NOTHING.stats,
      dropped: streams.filter((s) => s.stream.txPort === port.id).reduce((sum, s) => sum + s.dropped, 0),
    }));
    return fwdStatsText(streams, counts, this.#cycles(run), this.#settings.mode === 'csum');
  }

  /** `clear fwd stats all`. */
  clearStats(): void {
    const run = this.#run;
    run?.counters.fill(0);
    run?.bursts?.fill(0);
    for (const port of run?.ports ?? []) {
      run?.baseline.set(port.id, portCounts(port));
      run?.txErrors?.delete(port.id);
    }
  }

  /** Must be called after port.clearStats(), since the port's counters restart from zero. */
  portStatsCleared(port: Port): void {
    const run = this.#run;
    if (!run?.ports.includes(port)) return;
    run.baseline.set(port.id, NOTHING);
    run.txErrors?.delete(port.id);
  }

  /** Must be called when a port's link changes, since its peer may have changed. */
  linkChanged(): void {
    if (this.#running && this.#run !== null) this.#joinOffloads(this.#run);
  }

  /** A port's peer may skip the offloads that every port its packets go to can perform. */
  #joinOffloads({ lcores, ports }: Run): void {
    const streams = lcores.flatMap((lcore) => lcore.streams);
    for (const port of ports) {
      const targets = ports.filter((target) =>
        streams.some((stream) => stream.rxPort === port.id && stream.txPort === target.id),
      );
      port.setRxOffloads?.(targets.reduce((all, target) => all & target.txOffloads, ALL_OFFLOADS));
    }
  }

  #refusal(ports: readonly Port[], txFirst: number): string | null {
    if (this.#running) return 'Packet forwarding already started';
    if (ports.length === 0) return 'No forwarding ports';
    if (ports.some((port) => !port.started)) return 'Not all ports were started';
    const { mode, traffic, txSegments } = this.#settings;
    if (mode === 'flowgen') return flowgenFault(this.#settings);
    if (mode !== 'txonly' && txFirst === 0) return null;
    const varied = variationFault(traffic, txSegments);
    return (
      txSegmentsFault(this.#settings, txSegments) ??
      (varied === null ? null : `${varied}\nPacket forwarding is not ready`)
    );
  }

  async #launch(run: Run, txFirst: number): Promise<boolean> {
    try {
      const forwarding = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
      this.#launchLcores(run, txFirst, forwarding);
      await Promise.all(this.#lcores.map((lcore) => lcore.ready));
      await allForward(forwarding, this.#lcores, this.#hurried);
    } catch (error) {
      await this.#stopLcores();
      this.onFailure(error as Error);
      return false;
    }
    for (const lcore of this.#lcores) this.#follow(lcore);
    this.metrics.begin(run.lcores.map(({ lcore }) => lcore));
    return true;
  }

  #launchLcores(run: Run, txFirst: number, forwarding: Int32Array): void {
    const module = new URL(`./fwd/loop${extname(new URL(import.meta.url).pathname)}`, import.meta.url);
    if (this.#settings.recordBursts) {
      const streams = run.counters.length / STREAM_STRIDE;
      run.bursts ??= new Float64Array(new SharedArrayBuffer(streams * BURST_COUNTS * 8));
    }
    let index = 0;
    for (const { lcore, streams } of run.lcores) {
      const plans = streams.map((stream): StreamPlan => {
        const rxPort = run.ports.findIndex((port) => port.id === stream.rxPort);
        const txPort = run.ports.findIndex((port) => port.id === stream.txPort);
        const { soft, rxQueues } = this.#settings;
        const [rx, tx] = [run.ports[rxPort], run.ports[txPort]];
        return {
          ...stream,
          index: index++,
          rxPort,
          txPort,
          rxId: stream.rxPort,
          txId: stream.txPort,
          txMac: soft.macOf(tx),
          peerMac: peerMac(this.#settings, stream.txPort),
          csum: this.#csumPlan(stream.txPort),
          gro: this.#settings.groPorts.has(stream.rxPort) ? this.#settings.groCycles : 0,
          checks: soft.of(rx).checks,
          rxOffload: soft.rxPlan(rx, rxQueues) ?? undefined,
          txOffload: soft.of(tx).txPlan() ?? undefined,
          txQueues: tx.config.txQueues,
        };
      });
      const counters = run.counters.buffer as SharedArrayBuffer;
      const bursts = this.#settings.recordBursts ? (run.bursts?.buffer as SharedArrayBuffer) : undefined;
      const running = plans.filter((plan) => this.#runs(plan));
      const latency = this.metrics.latencyMemory(lcore);
      const data: LoopData = {
        ...{ run: this.#runPlan(txFirst), streams: running },
        ...{ counters, bursts, latency, forwarding },
      };
      const cpu = this.#places.find((place) => place.id === lcore)?.cpus;
      this.#lcores.push(launch({ lcore, cpu, module, ports: run.ports, data }));
    }
  }

  #csumPlan(txPort: number): CsumPlan {
    const { gsoPorts, gsoSize } = this.#settings;
    return { ...csumPlan(this.#settings, txPort), gso: gsoPorts.has(txPort) ? gsoSize : 0 };
  }

  /** As in testpmd, the streams of a queue that is stopped do not run. */
  #runs({ rxId, rxQueue, txId, txQueue }: StreamPlan): boolean {
    const { soft } = this.#settings;
    const isStopped = (id: number, role: 'rx' | 'tx', queue: number) => {
      const port = this.#run?.ports.find((candidate) => candidate.id === id);
      return port !== undefined && soft.of(port).isStopped(role, queue);
    };
    return !isStopped(rxId, 'rx', rxQueue) && !isStopped(txId, 'tx', txQueue);
  }

  #runPlan(txFirst: number): RunPlan {
    const s = this.#settings;
    return {
      mode: this.#run?.mode ?? s.mode,
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

  #follow(lcore: Lcore): void {
    lcore.exited.catch((error: Error) => {
      if (this.#lcores.includes(lcore)) this.onFailure(error);
    });
  }

  async #stopLcores(): Promise<void> {
    const ending = this.#lcores;
    this.#lcores = [];
    const ends = await Promise.allSettled(ending.map((lcore) => lcore.stop()));
    this.#running = false;
    this.metrics.end();
    if (this.#run) this.#run.txErrors = new Map(this.#run.ports.map((port) => [port.id, txErrors(port)]));
    const failed = ends.filter((end) => end.status === 'rejected');
    this.endedInOrder = failed.length === 0;
    for (const { reason } of failed) this.#output.complain(`testpmd: ${(reason as Error).message}`);
  }

  #streamCounts(run: Run): StreamCounts[] {
    // Read before the streams' own counters, which are updated only when a burst returns.
    const errors = new Map(
      run.ports.map((port) => {
        const now = run.txErrors === null ? txErrors(port) : (run.txErrors.get(port.id) ?? []);
        return [
          port.id,
          now.map((count, queue) => count - (run.baseline.get(port.id)?.txErrors[queue] ?? 0)),
        ];
      }),
    );
    return run.lcores
      .flatMap(({ streams }) => streams)
      .map((stream, i) => {
        const at = (counter: number) => run.counters[i * STREAM_STRIDE + counter];
        const taken = at(STREAM_TX);
        // A TX queue has exactly one stream, so its drops are that stream's.
        const lost = Math.min(taken, errors.get(stream.txPort)?.[stream.txQueue] ?? 0);
        const bursts = this.#settings.recordBursts ? run.bursts : null;
        return {
          stream,
          rx: at(STREAM_RX),
          tx: taken - lost,
          dropped: at(STREAM_DROPPED) + lost,
          badIp: at(STREAM_BAD_IP),
          badL4: at(STREAM_BAD_L4),
          badOuterIp: at(STREAM_BAD_OUTER_IP),
          badOuterL4: at(STREAM_BAD_OUTER_L4),
          bursts: bursts?.subarray(i * BURST_COUNTS, (i + 1) * BURST_COUNTS) ?? null,
        };
      });
  }

  #cycles(run: Run | null) {
    if (!run || !this.#settings.recordCycles) return null;
    let cycles = 0;
    for (let i = STREAM_CYCLES; i < run.counters.length; i += STREAM_STRIDE) cycles += run.counters[i];
    return { mode: run.mode, cycles, tscHz: native.tscHz() };
  }
}

/** The same numbers in rows of that length, each from another row. */
function rearranged(numbers: Float64Array, length: number, from: readonly number[]): Float64Array {
  if (from.every((row, i) => row === i)) return numbers;
  const copy = new Float64Array(new SharedArrayBuffer(numbers.byteLength));
  for (const [i, row] of from.entries())
    copy.set(numbers.subarray(row * length, (row + 1) * length), i * length);
  return copy;
}
