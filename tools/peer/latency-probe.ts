// SPDX-License-Identifier: BSD-3-Clause
// Mode 'latency' on one queue pair: lets frames go when they are due, and records for each that comes back how long after that
// it was. A frame is known by its sequence number, so one that is lost leaves the others' times alone. Allocates nothing.
import type { RecordableHistogram } from 'node:perf_hooks';
import { type DriverQueueHandle, native } from '../../src/native.ts';
import { latencyHistogram } from './latency.ts';
import { Pace } from './pace.ts';

/** Plain data: it travels to the worker thread, where the histogram is the same one. */
export interface LatencyPlan {
  /** Frames a second on each pair. */
  readonly rate: number;
  /** Seconds at the start whose frames are not recorded. */
  readonly warmUp: number;
  /**
   * Microseconds. When there was so much more between two looks than the frames that moved meanwhile explain, the probe itself was
   * away: the frames on their way are not recorded, and those to come are due so much later. Infinity: such a stall counts like any other.
   */
  readonly ownStall: number;
  /** Nanoseconds. */
  readonly histogram: RecordableHistogram;
}

/**
 * Microseconds that a frame sent, received or recorded may take, with 1518 bytes from a far core too: a full burst after a stall of the
 * back-end is no stall of ours.
 */
const WORK_PER_FRAME = 0.5;

export class LatencyProbe {
  readonly #rx: DriverQueueHandle;
  readonly #histogram: RecordableHistogram;
  /** Takes the times of the warm-up, and what is forgiven: V8 has compiled what records before it counts. */
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
  /** Frames sent or recorded since the last look. */
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
    this.#ownStall = (plan.ownStall / 1e6) * hz;
    this.#workPerFrame = (WORK_PER_FRAME / 1e6) * hz;
  }

  /** Frames that are due and not sent, by the clock of the last receive(). */
  due(): number {
    return this.#pace.dueBy(this.#arrivals[0] as number) - this.#sent;
  }

  sent(frames: number): void {
    this.#sent += frames;
    this.#worked += frames;
  }

  /** Frames on their way: those before the last that came back have come too, or are lost. */
  away(): number {
    return this.#sent - this.#back;
  }

  /** As driverReceive, and records. */
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

  /** What is no number of a frame that was sent is not our frame: the checks count it. */
  #record(number: number): void {
    if (number < 0 || number >= this.#sent) return;
    if (number >= this.#back) this.#back = number + 1;
    const histogram = number < this.#recordFrom ? this.#rehearsal : this.#histogram;
    const ticks = (this.#arrivals[0] as number) - this.#pace.dueAt(number);
    histogram.record(Math.max(1, Math.round(ticks * this.#nsPerTick)));
  }
}
