// SPDX-License-Identifier: BSD-3-Clause
// The generator as an object: an lcore on a port's first queue pair that runs trials.
import { randomInt } from 'node:crypto';
import { PmdError } from '../../src/errors.ts';
import type { Port } from '../../src/ethdev/port.ts';
import { launch } from '../../src/lcore/launch.ts';
import type { Lcore } from '../../src/lcore/lcore.ts';
import { native } from '../../src/native.ts';
import type { GapLogMemory } from './engine/gap-log.ts';
import {
  DONE,
  DRAINING,
  G_NOW,
  HALT,
  newSharedMemory,
  PHASE,
  RATE_VERSION,
  S_DUPLICATES,
  S_RECEIVED,
  S_SENT,
  SET_DRAIN,
  SET_DURATION,
  SET_INTERVALS,
  SET_LIMIT,
  SET_MAX_LAG,
  SET_REHEARSAL,
  SET_WINDOW,
  type SharedMemory,
  streamCounters,
  TRIAL,
  ticksPerUnit,
} from './engine/layout.ts';
import type { LcorePlan } from './engine/lcore.ts';
import type { CompiledStream } from './plan/compile.ts';
import { PortFaults } from './port-faults.ts';
import { type ResultContext, readResult, type TrialResult } from './result.ts';
import type { Progress } from './timeline.ts';
import { WordWatch } from './word-watch.ts';

/**
 * Longest time, in milliseconds, between two looks at the lcore: the main thread must not take a CPU from a
 * poll loop more often than necessary.
 */
const LOOK_MS = 250;
const LEAST_MS = 10;

export interface GeneratorOptions {
  readonly port: Port;
  readonly streams: readonly CompiledStream[];
  readonly cpu: number;
  readonly hugepages: boolean;
  /** Of a replay, which is the only stream then: when each packet was sent. */
  readonly log?: GapLogMemory | undefined;
}

export interface Trial {
  /** Seconds for which frames are due; Infinity: until halt(). */
  readonly seconds: number;
  /**
   * Frames per second of each stream; Infinity: as many as the queue accepts; 0: none. Of a replay with
   * original gaps: times the original speed.
   */
  readonly pps: readonly number[];
  /** Seconds without a frame after which those in flight are lost. */
  readonly drain: number;
  /** Seconds after which an overdue frame is not sent any more. */
  readonly maxLag: number;
  /** Most frames of each stream. */
  readonly limit?: number;
  /** Most frames of a stream in flight, where there is no rate. */
  readonly window?: number;
  /** Of a replay: sends nothing, and receives what it would have sent. */
  readonly rehearsal?: boolean;
}

export class Generator {
  readonly #lcore: Lcore;
  readonly #memory: SharedMemory;
  readonly #control: Int32Array;
  readonly #phase: WordWatch;
  readonly #settings: Float64Array;
  readonly #global: Float64Array;
  readonly #context: ResultContext;
  readonly #streams: readonly CompiledStream[];
  /** Of its peer, since it was made. */
  readonly faults: PortFaults;
  #trial = 0;
  #failure: Error | undefined;
  #broken: Error | undefined;
  #closed = false;

  /** Throws as launch() does. */
  constructor({ port, streams, cpu, hugepages, log }: GeneratorOptions) {
    this.#streams = streams;
    this.faults = new PortFaults(port);
    this.#memory = newSharedMemory(streams.length);
    this.#control = new Int32Array(this.#memory.control);
    this.#phase = new WordWatch(this.#control, PHASE);
    this.#settings = new Float64Array(this.#memory.settings);
    this.#global = new Float64Array(this.#memory.global);
    const hz = native.tscHz();
    const names = streams.map(({ name }) => name);
    this.#context = { names, hz, nsPerUnit: (1e9 * ticksPerUnit(hz)) / hz };
    const data: LcorePlan = {
      streams: streams.map(({ plan }) => plan),
      memory: this.#memory,
      // Not 0, which idle memory holds.
      tag: randomInt(1, 1 << 23) << 8,
      largest: Math.max(...streams.map(({ largest }) => largest)),
      hugepages,
      log: log ?? null,
    };
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const module = new URL(`./engine/lcore.${extension}`, import.meta.url);
    this.#lcore = launch({ cpu, module, ports: [port], data });
    this.#lcore.exited.catch((error) => {
      this.#failure = error;
    });
  }

  /** Resolves when trials can begin. */
  get ready(): Promise<void> {
    return this.#lcore.ready;
  }

  get lcore(): Lcore {
    return this.#lcore;
  }

  /** Runs a trial to its end. Throws what ended the lcore, or VPCI_PEER_RING: no packet passes any more. */
  async run(trial: Trial): Promise<TrialResult> {
    this.begin(trial);
    return await this.end();
  }

  /** Begins a trial; end() waits for its end. */
  begin(trial: Trial): void {
    if (this.#broken) throw this.#broken;
    const { hz } = this.#context;
    this.#settings[SET_DURATION] = trial.seconds * hz;
    this.#settings[SET_DRAIN] = trial.drain * hz;
    this.#settings[SET_MAX_LAG] = trial.maxLag * hz;
    this.#settings[SET_LIMIT] = trial.limit ?? Number.POSITIVE_INFINITY;
    this.#settings[SET_WINDOW] = trial.window ?? Number.POSITIVE_INFINITY;
    this.#settings[SET_REHEARSAL] = Number(trial.rehearsal ?? false);
    this.#setIntervals(trial.pps);
    Atomics.store(this.#control, HALT, 0);
    Atomics.store(this.#control, PHASE, 0);
    Atomics.store(this.#control, TRIAL, ++this.#trial);
    Atomics.notify(this.#control, TRIAL);
  }

  async end(): Promise<TrialResult> {
    while (!this.done) await this.changed(LOOK_MS);
    // Of a trial that is over before two looks.
    this.#breakIf(this.faults.broken());
    if (this.#failure && Atomics.load(this.#control, PHASE) !== DONE) throw this.#failure;
    if (this.#broken) throw this.#broken;
    return this.read();
  }

  /** Whether the trial has ended, frames in flight included. */
  get done(): boolean {
    return this.#failure !== undefined || Atomics.load(this.#control, PHASE) === DONE;
  }

  /** Resolves when the trial enters its next phase, or the lcore has failed, or after `ms`: 10 to 250. */
  async changed(ms: number): Promise<void> {
    const phase = Atomics.load(this.#control, PHASE);
    if (this.#failure !== undefined || phase === DONE) return;
    await this.#phase.changedFrom(phase, Math.min(Math.max(ms, LEAST_MS), LOOK_MS));
    this.#breakIf(this.faults.brokenForLong());
  }

  #breakIf(broken: Error | undefined): void {
    if (broken) this.break(broken);
  }

  /** Whether it only waits for frames in flight. */
  get draining(): boolean {
    return Atomics.load(this.#control, PHASE) === DRAINING;
  }

  /** Ends the trial's sending early. */
  halt(): void {
    Atomics.store(this.#control, HALT, 1);
  }

  /**
   * Ends the trial, and allows no other: they throw `error`. read() has the figures until then. Nothing of a
   * closed one, whose peer is about to end.
   */
  break(error: Error): void {
    if (this.#closed) return;
    this.#broken ??= error;
    this.halt();
  }

  /** What it was broken with. */
  get broken(): Error | undefined {
    return this.#broken;
  }

  /** Changes the rates of the trial that runs. */
  setRates(pps: readonly number[]): void {
    this.#setIntervals(pps);
    Atomics.add(this.#control, RATE_VERSION, 1);
  }

  /** Seconds since the trial began. */
  get elapsed(): number {
    return (this.#global[G_NOW] as number) / this.#context.hz;
  }

  /** The figures so far. Not for every round of a loop: it looks at all buckets of the histograms. */
  read(): TrialResult {
    return readResult(this.#memory, this.#context);
  }

  /** The counts so far, without the histograms: often. */
  progress(): Progress {
    const streams = this.#streams.map((_, i) => streamCounters(this.#memory, i));
    const sum = (of: (own: Float64Array) => number) => streams.reduce((all, own) => all + of(own), 0);
    return {
      seconds: this.elapsed,
      sent: sum((own) => own[S_SENT] as number),
      received: sum((own) => (own[S_RECEIVED] as number) - (own[S_DUPLICATES] as number)),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.halt();
    await this.#lcore.stop();
    this.#failure ??= new PmdError('VPCI_CLOSED', 'Failed to run: the generator is closed');
  }

  #setIntervals(pps: readonly number[]): void {
    const { hz } = this.#context;
    pps.forEach((rate, i) => {
      const { burst, replay } = (this.#streams[i] as CompiledStream).plan;
      const interval = rate === Number.POSITIVE_INFINITY ? 0 : (hz * burst) / rate;
      // A replay with its own gaps has a speed for a rate.
      this.#settings[SET_INTERVALS + i] = replay?.dues ? interval / 1e9 : interval;
    });
  }
}
