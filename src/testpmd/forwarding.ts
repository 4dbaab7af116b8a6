// SPDX-License-Identifier: BSD-3-Clause
// Starts and stops forwarding: plans streams, launches and monitors their lcores.
import { extname } from 'node:path';
import { ports as openPorts } from '../drivers/registry.ts';
import { ALL_OFFLOADS } from '../ethdev/offloads.ts';
import type { Port } from '../ethdev/port.ts';
import { type Lcore, launch } from '../lcore/launch.ts';
import type { LcorePlace } from '../lcore/lcore-list.ts';
import { allForward } from './all-forward.ts';
import type { LoopData } from './fwd/loop.ts';
import { variationFault } from './fwd/tx-frames.ts';
import { Metrics } from './metrics/metrics.ts';
import { flowgenFault, txSegmentsFault } from './options.ts';
import type { Output } from './output.ts';
import { noStatsText, Run } from './run.ts';
import { lcorePlans, runPlan } from './run-plans.ts';
import type { Settings } from './settings.ts';
import { assignStreams, type LcoreStreams, makeStreams, type Stream } from './streams.ts';
import { fwdConfigText } from './text/fwd-text.ts';
import { rxtxConfigText } from './text/port-text.ts';

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
    return this.#running ? this.#run?.lcoreUsage(id) : undefined;
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
    this.#run = new Run(this.#settings.mode, ports, this.plan(ports));
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
    run.moveTo(this.plan(run.ports));
    await this.#launch(run, 0);
  }

  /** Forward statistics of the current or last run; all zero for `ports` if there has been none. */
  statsText(ports: readonly Port[]): string {
    return this.#run?.statsText(this.#settings) ?? noStatsText(ports, this.#settings);
  }

  /** `clear fwd stats all`. */
  clearStats(): void {
    this.#run?.clear();
  }

  /** Must be called after port.clearStats(), since the port's counters restart from zero. */
  portStatsCleared(port: Port): void {
    this.#run?.portCleared(port);
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
      await this.#stopLcores(error as Error);
      this.onFailure(error as Error);
      return false;
    }
    for (const lcore of this.#lcores) this.#follow(lcore);
    this.metrics.begin(run.lcores.map(({ lcore }) => lcore));
    return true;
  }

  #launchLcores(run: Run, txFirst: number, forwarding: Int32Array): void {
    const module = new URL(`./fwd/loop${extname(new URL(import.meta.url).pathname)}`, import.meta.url);
    const bursts = this.#settings.recordBursts ? run.recordBursts() : undefined;
    const plan = runPlan(this.#settings, run.mode, txFirst);
    for (const { lcore, streams } of lcorePlans(this.#settings, run)) {
      const latency = this.metrics.latencyMemory(lcore);
      const data: LoopData = { run: plan, streams, counters: run.counters, bursts, latency, forwarding };
      const cpu = this.#places.find((place) => place.id === lcore)?.cpus;
      this.#lcores.push(launch({ lcore, cpu, module, ports: run.ports, data }));
    }
  }

  #follow(lcore: Lcore): void {
    lcore.exited.catch((error: Error) => {
      if (this.#lcores.includes(lcore)) this.onFailure(error);
    });
  }

  /** `told`: the failure that the caller tells of. */
  async #stopLcores(told?: Error): Promise<void> {
    const ending = this.#lcores;
    this.#lcores = [];
    const ends = await Promise.allSettled(ending.map((lcore) => lcore.stop()));
    this.#running = false;
    this.metrics.end();
    this.#run?.ended();
    const failed = ends.filter((end) => end.status === 'rejected');
    this.endedInOrder = failed.length === 0;
    const messages = failed.map(({ reason }) => (reason as Error).message);
    for (const message of messages)
      if (message !== told?.message) this.#output.complain(`testpmd: ${message}`);
  }
}
