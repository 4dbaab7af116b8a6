// SPDX-License-Identifier: BSD-3-Clause
// Mode 'latency' on one queue pair: sends frames when they are due, and records for each that comes back how
// long after its due time it arrived. Frames are identified by their sequence number, so a lost one does not
// affect the times of others. Allocates nothing.
import type { RecordableHistogram } from 'node:perf_hooks';
import { ticksOf } from '../../src/lcore/ticks.ts';
import { type DriverQueueHandle, native } from '../../src/native.ts';
import { latencyHistogram } from './latency.ts';
import { Pace } from './pace.ts';

/** Plain data: it is passed to the worker thread, which shares the histogram. */
export interface LatencyPlan {
  /** Frames per second on each pair. */
  readonly rate: number;
  /** Seconds at the start whose frames are not recorded. */
  readonly warmUp: number;
  /**
   * Microseconds. When the time between two receives exceeds what the frames moved in between explain by this
   * much, the probe itself was stalled: the frames in flight are not recorded, and later ones are postponed
   * by the stall. Infinity: such a stall counts like any other.
   */
  readonly ownStall: number;
  /** Nanoseconds. */
  readonly histogram: RecordableHistogram;
}

/**
 * Microseconds that sending, receiving or recording a frame may take, even with 1518 bytes from a far core: a
 * full burst after a stall of the back-end must not count as a stall of our own.
 */
const WORK_PER_FRAME = 0.5;

export class LatencyProbe {
  readonly #rx: DriverQueueHandle;
  readonly #histogram: RecordableHistogram;
  /**
   * Records the times that do not count (warm-up, forgiven stalls), so that V8 has compiled the recording
   * code before it matters.
   */
  readonly #rehearsal = latencyHistogram();
  /** See native.driverArrivals. */
  readonly #arrivals: Float64Array;
  readonly #pace: Pace;
  readonly #nsPerTick: number;
  /** Sequence number of the first frame: the queue may have been used before. */
  readonly #base: number;
  /** Number of the first frame that is recorded. */
  #recordFrom: number;
  /** Ticks. */
  readonly #ownStall: number;
  /** Ticks. */
  readonly #workPerFrame: number;
  /** Frames sent since the last receive, plus those that it received. */
  #worked = 0;
  #sent = 0;
  /** One more than the number of the last frame that came back. */
  #back = 0;

  /** Frame 0 is due now; `base` frames have been sent before it. */
  constructor(plan: LatencyPlan, rx: DriverQueueHandle, base: number) {
    const hz = native.tscHz();
    this.#rx = rx;
    this.#histogram = plan.histogram;
    this.#arrivals = new Float64Array(native.driverArrivals(rx));
    this.#arrivals[0] = native.rdtsc();
    this.#pace = new Pace(this.#arrivals[0], hz / plan.rate);
    this.#nsPerTick = 1e9 / hz;
    this.#base = base;
    this.#recordFrom = Math.ceil(plan.warmUp * plan.rate);
    this.#ownStall = ticksOf(plan.ownStall);
    this.#workPerFrame = ticksOf(WORK_PER_FRAME);
  }

  /** Frames that are due but not sent, by the clock of the last receive(). */
  due(): number {
    return this.#pace.dueBy(this.#arrivals[0] as number) - this.#sent;
  }

  sent(frames: number): void {
    this.#sent += frames;
    this.#worked += frames;
  }

  /** Frames in flight: those before the last one that came back have come back too, or are lost. */
  away(): number {
    return this.#sent - this.#back;
  }

  /** Like driverReceive, and records the times. */
  receive(burst: number, check: boolean): number {
    const before = this.#arrivals[0] as number;
    const frames = native.driverReceiveTimed(this.#rx, burst, check);
    const away = (this.#arrivals[0] as number) - before;
    if (away > this.#ownStall + this.#workPerFrame * (this.#worked + frames)) this.#forgive(away);
    this.#worked = frames;
    for (let i = 1; i <= frames; i++) this.#record((this.#arrivals[i] as number) - this.#base);
    return frames;
  }

  #forgive(ticks: number): void {
    this.#pace.delay(ticks);
    this.#recordFrom = Math.max(this.#recordFrom, this.#sent);
  }

  /** A number that was never sent does not belong to our frames: the checks count it. */
  #record(number: number): void {
    if (number < 0 || number >= this.#sent) return;
    if (number >= this.#back) this.#back = number + 1;
    const histogram = number < this.#recordFrom ? this.#rehearsal : this.#histogram;
    const ticks = (this.#arrivals[0] as number) - this.#pace.dueAt(number);
    histogram.record(Math.max(1, Math.round(ticks * this.#nsPerTick)));
  }
}
