// SPDX-License-Identifier: BSD-3-Clause
// The generator's lcore: sends and receives on one queue pair, one trial after another, until it is stopped.
// Nothing is allocated while a trial runs.
import type { LcoreContext } from '../../../src/lcore/context.ts';
import { native } from '../../../src/native.ts';
import type { StreamPlan } from '../plan/frame-plan.ts';
import { Clock } from './clock.ts';
import { CpuWatch } from './cpu-watch.ts';
import { GapLog, type GapLogMemory } from './gap-log.ts';
import {
  DONE,
  DRAINING,
  G_SENT_FOR,
  gapCounts,
  HALT,
  latencyCounts,
  PHASE,
  RATE_VERSION,
  S_DUPLICATES,
  S_RECEIVED,
  S_SENT,
  SENDING,
  SET_DRAIN,
  SET_DURATION,
  SET_INTERVALS,
  SET_LIMIT,
  SET_MAX_LAG,
  SET_REHEARSAL,
  type SharedMemory,
  streamCounters,
  TRIAL,
  ticksPerUnit,
} from './layout.ts';
import { Receiver } from './receiver.ts';
import { Rehearsal, RehearsedRx, RehearsedTx } from './rehearsal.ts';
import { BURST, StreamSender } from './stream-sender.ts';

export interface LcorePlan {
  readonly streams: readonly StreamPlan[];
  readonly memory: SharedMemory;
  /** Tag of the generator, low byte 0: frames of another generator, or of a trial before, are foreign. */
  readonly tag: number;
  /** Largest frame, in bytes. */
  readonly largest: number;
  readonly hugepages: boolean;
  /** Of a replay, which is the only stream then; null if none is wanted. */
  readonly log: GapLogMemory | null;
}

/** How often, in milliseconds, an lcore without a trial looks whether it must end. */
const IDLE_MS = 50;
/** Mbufs of the receiving pool: several bursts. */
const RX_MBUFS = 512;
/** More bursts than any ring holds. */
const STALE_BURSTS = 1024;

class Loop {
  readonly #lcore: LcoreContext<LcorePlan>;
  readonly #clock = new Clock();
  readonly #control: Int32Array;
  readonly #settings: Float64Array;
  readonly #global: Float64Array;
  readonly #senders: readonly StreamSender[];
  readonly #receiver: Receiver;
  readonly #counters: readonly Float64Array[];
  readonly #watch: CpuWatch;
  readonly #rehearsal = new Rehearsal();
  #rateVersion = 0;
  #generation = 0;

  constructor(lcore: LcoreContext<LcorePlan>) {
    const { memory, streams, tag, largest, hugepages, log } = lcore.data;
    const hz = native.tscHz();
    this.#lcore = lcore;
    this.#control = new Int32Array(memory.control);
    this.#settings = new Float64Array(memory.settings);
    this.#global = new Float64Array(memory.global);
    this.#counters = streams.map((_, i) => streamCounters(memory, i));
    this.#watch = new CpuWatch(this.#clock, this.#global);
    const dataRoom = Math.max(2048, largest);
    const replays = streams.some(({ replay }) => replay !== null);
    const [rx, tx] = replays
      ? [
          new RehearsedRx(lcore.rxQueue(0), this.#rehearsal),
          new RehearsedTx(lcore.txQueue(0), this.#rehearsal),
        ]
      : [lcore.rxQueue(0), lcore.txQueue(0)];
    const common = {
      clock: this.#clock,
      watch: this.#watch,
      settings: this.#settings,
      global: this.#global,
      unitsPerTick: 1 / ticksPerUnit(hz),
    };
    this.#senders = streams.map((plan, i) => {
      const pool = lcore.createPool({ count: 2 * BURST, dataRoom, hugepages });
      const parts = { plan, pool, tx, tag: tag | i, gaps: gapCounts(memory), counters: this.#counters[i] };
      const gapLog = log === null ? null : new GapLog(log);
      return new StreamSender({ ...common, ...parts, log: gapLog });
    });
    this.#receiver = new Receiver({
      ...common,
      rx,
      pool: lcore.createPool({ count: RX_MBUFS, dataRoom, hugepages }),
      tag,
      signatures: [...new Set(streams.flatMap(({ frame }) => frame?.headers.length ?? []))],
      counters: this.#counters,
      latencies: streams.map((_, i) => latencyCounts(memory, i)),
    });
  }

  /** Serves trials until the lcore is to stop. */
  serve(): void {
    for (let trial = 0; this.#lcore.running(); ) {
      Atomics.wait(this.#control, TRIAL, trial, IDLE_MS);
      const wanted = Atomics.load(this.#control, TRIAL);
      if (wanted === trial) this.#receiver.poll();
      else this.#run();
      trial = wanted;
    }
  }

  #run(): void {
    this.#begin();
    this.#enter(SENDING);
    this.#send(this.#settings[SET_DURATION]);
    this.#global[G_SENT_FOR] = Math.min(this.#clock.now[0], this.#settings[SET_DURATION]);
    this.#sendOverdue();
    for (const sender of this.#senders) sender.end();
    this.#enter(DRAINING);
    this.#drain();
    this.#enter(DONE);
  }

  #enter(phase: number): void {
    Atomics.store(this.#control, PHASE, phase);
    Atomics.notify(this.#control, PHASE);
  }

  #begin(): void {
    this.#rehearsal.on = false;
    this.#rehearsal.away = 0;
    // What is left of the trial before; a port that gives packets without end (net_null) gives no end.
    for (let i = 0; i < STALE_BURSTS && this.#receiver.poll() > 0; i++);
    this.#global.fill(0);
    for (const counters of this.#counters) counters.fill(0);
    const { memory } = this.#lcore.data;
    new Float64Array(memory.histograms).fill(0);
    this.#rehearsal.on = this.#settings[SET_REHEARSAL] !== 0;
    this.#generation++;
    this.#receiver.begin(this.#generation);
    this.#rateVersion = Atomics.load(this.#control, RATE_VERSION);
    this.#senders.forEach((sender, i) => {
      sender.begin(
        this.#settings[SET_INTERVALS + i],
        this.#settings[SET_DURATION],
        this.#settings[SET_LIMIT],
        this.#generation,
      );
    });
    this.#clock.restart();
  }

  /** HOT. */
  #send(duration: number): void {
    const senders = this.#senders;
    const now = this.#clock.now;
    let frames = 0;
    while (now[0] < duration && this.#goesOn()) {
      this.#watch.tick(frames);
      frames = 0;
      for (let i = 0; i < senders.length; i++) frames += senders[i].poll();
      frames += this.#receiver.poll();
    }
  }

  /** What became due while the loop was away may still be sent for as long as that is not too late. */
  #sendOverdue(): void {
    for (const sender of this.#senders) sender.expire();
    const end = this.#clock.now[0] + this.#settings[SET_MAX_LAG];
    for (let i = 0; i < this.#senders.length; ) {
      if (this.#clock.now[0] > end || !this.#lcore.running()) return;
      this.#clock.tick();
      this.#senders[i].poll();
      this.#receiver.poll();
      if (!this.#senders[i].overdue && this.#senders[i].settled && !this.#senders[i].overdue) i++;
    }
  }

  /** HOT. */
  #goesOn(): boolean {
    if (Atomics.load(this.#control, HALT) !== 0 || !this.#lcore.running()) return false;
    if (Atomics.load(this.#control, RATE_VERSION) !== this.#rateVersion) this.#takeRates();
    for (let i = 0; i < this.#senders.length; i++) if (!this.#senders[i].finished) return true;
    return false;
  }

  /** Again in the next round, while a stream has frames to send that were due before. */
  #takeRates(): void {
    const version = Atomics.load(this.#control, RATE_VERSION);
    let taken = true;
    for (let i = 0; i < this.#senders.length; i++)
      taken = this.#senders[i].setInterval(this.#settings[SET_INTERVALS + i]) && taken;
    if (taken) this.#rateVersion = version;
  }

  /** Receives until everything is back, or nothing of ours has come for a while. */
  #drain(): void {
    const { now } = this.#clock;
    let last = now[0];
    for (let away = this.#away(); away > 0 && this.#lcore.running(); ) {
      this.#clock.tick();
      this.#receiver.poll();
      const left = this.#away();
      if (left < away) last = now[0];
      else if (now[0] - last >= this.#settings[SET_DRAIN]) return;
      away = left;
    }
  }

  /** Frames that are not back. */
  #away(): number {
    let away = 0;
    for (const own of this.#counters) away += own[S_SENT] - (own[S_RECEIVED] - own[S_DUPLICATES]);
    return away;
  }
}

export default function generate(lcore: LcoreContext<LcorePlan>): void {
  new Loop(lcore).serve();
}
