// SPDX-License-Identifier: BSD-3-Clause
// Sends one stream's frames when they are due. The load is open: a frame's due time depends on its number
// only, so what is late counts as late, and what is too late counts as unsent, never as lost.
//
// Times are numbers with a fraction; V8 would box them in fields and results, so they are kept in `times`.
import type { MbufVector, Mempool } from '../../../src/ethdev/mempool.ts';
import type { TxQueue } from '../../../src/ethdev/port.ts';
import type { FramePlan, StreamPlan } from '../plan/frame-plan.ts';
import type { Clock } from './clock.ts';
import type { CpuWatch } from './cpu-watch.ts';
import { FrameWriter } from './frame-writer.ts';
import type { GapLog } from './gap-log.ts';
import { GapMeter } from './gap-meter.ts';
import {
  G_AWAY_BEGAN,
  G_AWAY_ENDED,
  G_QUEUE_FULL,
  S_DUPLICATES,
  S_RECEIVED,
  S_SENT,
  S_TX_BYTES,
  S_UNSENT,
  SET_DRAIN,
  SET_MAX_LAG,
  SET_WINDOW,
} from './layout.ts';
import { Random } from './random.ts';
import { ReplayWriter } from './replay-writer.ts';

/** Most frames of one call of the transmit queue. */
export const BURST = 64;

// Indices of `times`, in ticks.
/** When the next frame is due. */
const NEXT = 0;
/** Between two bursts; 0: as fast as the queue accepts frames; Infinity: none is due. */
const INTERVAL = 1;
/** When frames are no longer due. */
const END = 2;
/** When the last frame without a rate was sent. */
const LAST_SENT = 3;
/** When the loop of a replay began; INTERVAL is then ticks per nanosecond of the capture. */
const LOOP = 4;
/** Frames of a limited window that are not waited for any more. */
const GIVEN_UP = 5;
/** Until when the loop was away when a replay was last put off, or not. */
const PUT_OFF = 6;
/** Since when there is to be another rate, END until then, and END after it; below 0: no other rate. */
const CHANGED = 7;
const LATER_END = 8;
/** The other rate, as INTERVAL. */
const WANTED = 9;

export interface SenderParts {
  readonly plan: StreamPlan;
  readonly pool: Mempool;
  readonly tx: TxQueue;
  readonly clock: Clock;
  readonly watch: CpuWatch;
  readonly tag: number;
  readonly settings: Float64Array;
  readonly counters: Float64Array;
  readonly global: Float64Array;
  readonly gaps: Float64Array;
  /** Of a replay, if it is wanted. */
  readonly log?: GapLog | null;
  readonly unitsPerTick: number;
}

export class StreamSender {
  readonly #parts: SenderParts;
  readonly #writer: FrameWriter | ReplayWriter;
  /** Whether all frames are the same time apart. */
  readonly #steady: boolean;
  readonly #gaps: GapMeter;
  /** Due times of a replay, in nanoseconds, and the number of the next. */
  readonly #replayed: Float64Array | null;
  #packet = 0;
  readonly #pkts: MbufVector;
  readonly #times = new Float64Array(10);
  /** Due times of the frames in `#pkts`. */
  readonly #dues = new Float64Array(BURST);
  readonly #now: Float64Array;
  /** Frames still to send; Float64Array, as it may be Infinity. */
  readonly #left = new Float64Array(1);
  /** Frames to send in the trial; also perhaps Infinity. */
  readonly #wanted = new Float64Array(1);
  #random: Random;
  /** Frames of the current burst that have been written. */
  #inBurst = 0;
  /** Frames in `#pkts` that the queue has not accepted: [from, to). */
  #from = 0;
  #to = 0;
  /** Number of the frame `#pkts` begins with. */
  #first = 0;

  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#now = parts.clock.now;
    this.#pkts = parts.pool.vector(BURST);
    const { replay, frame, seed, burst, poisson } = parts.plan;
    this.#steady = burst === 1 && !poisson && !replay;
    this.#replayed = replay?.dues ?? null;
    this.#writer = replay
      ? new ReplayWriter(replay, parts.pool)
      : new FrameWriter(frame as FramePlan, parts.pool, parts.tag, seed);
    this.#random = new Random(parts.plan.seed);
    this.#gaps = new GapMeter(parts.gaps, parts.global, parts.unitsPerTick, parts.log);
  }

  /** Begins a trial, the `generation`-th; `interval` as INTERVAL. */
  begin(interval: number, end: number, limit: number, generation: number): void {
    const { plan } = this.#parts;
    this.#writer.reset(generation);
    this.#random = new Random(plan.seed);
    const isOff = interval === Number.POSITIVE_INFINITY;
    // Sums of intervals are not exact: what is due at the end is not due.
    this.#times.set([isOff ? interval : 0, interval, end - slackOf(interval, end), 0, 0, 0, 0, -1, 0, 0]);
    this.#gaps.begin(this.#steady && !isOff ? interval : 0);
    this.#packet = 0;
    if (plan.poisson && interval > 0 && !isOff) this.#advance();
    this.#wanted[0] = this.#left[0] = Math.min(plan.count, limit);
    this.#inBurst = 0;
    this.#from = 0;
    this.#to = 0;
  }

  /**
   * A new rate, from now on. False while frames that were due before are still to be sent, at their times: it
   * is to be called again then. The part of an interval that was left to wait keeps its share.
   */
  setInterval(interval: number): boolean {
    const times = this.#times;
    const before = times[INTERVAL];
    if (times[CHANGED] < 0) {
      if (interval === before) return true;
      times[LATER_END] = times[END];
      times[END] = times[CHANGED] = Math.min(this.#now[0], times[END]);
    }
    times[WANTED] = interval;
    const wasPaced = before > 0 && before !== Number.POSITIVE_INFINITY;
    if (wasPaced && times[NEXT] < times[END] && this.#left[0] > 0) return false;
    const since = times[CHANGED];
    times[END] = times[LATER_END];
    times[CHANGED] = -1;
    times[INTERVAL] = interval;
    const isOff = interval === Number.POSITIVE_INFINITY;
    this.#gaps.begin(this.#steady && !isOff ? interval : 0);
    const keepsShare = wasPaced && !isOff && !this.#replayed;
    times[NEXT] = keepsShare ? since + ((times[NEXT] - since) * interval) / before : since;
    if (isOff) times[NEXT] = interval;
    else if (this.#replayed) times[LOOP] = since - this.#replayed[this.#packet] * interval;
    else if (!wasPaced && this.#parts.plan.poisson && interval > 0) this.#advance();
    return true;
  }

  /** HOT. Sends what is due; returns the number of frames that were. */
  poll(): number {
    if (this.#from < this.#to) this.#flush();
    else if (this.#times[NEXT] <= this.#now[0]) this.#sendDue();
    else return 0;
    return this.#to;
  }

  /** True once all frames of a limited stream are sent. */
  get finished(): boolean {
    return this.#left[0] === 0 && this.#from === this.#to;
  }

  /** HOT. Whether frames are due that have not been sent. */
  get overdue(): boolean {
    const times = this.#times;
    if (this.#from < this.#to) return true;
    return (
      times[INTERVAL] > 0 && this.#left[0] > 0 && times[NEXT] < times[END] && times[NEXT] <= this.#now[0]
    );
  }

  /** Whether there is no change of rate that waits for frames that were due before. */
  get settled(): boolean {
    return this.#times[CHANGED] < 0 || this.setInterval(this.#times[WANTED]);
  }

  /** From now on no more frames become due. */
  expire(): void {
    const end = this.#times[CHANGED] < 0 ? END : LATER_END;
    if (this.#now[0] < this.#times[end]) this.#times[end] = this.#now[0];
  }

  /** Ends the sending: what is due and not sent is unsent. */
  end(): void {
    const { pool, counters } = this.#parts;
    pool.free(this.#pkts, this.#from, this.#to);
    counters[S_UNSENT] += this.#to - this.#from;
    this.#from = this.#to;
    do if (this.#times[INTERVAL] > 0) this.#skipUntil(Math.min(this.#now[0], this.#times[END]));
    while (this.#times[CHANGED] >= 0 && this.settled);
  }

  /** HOT. */
  #sendDue(): void {
    const { pool, settings, unitsPerTick } = this.#parts;
    const n = this.#times[INTERVAL] > 0 ? this.#collectDue(settings[SET_MAX_LAG]) : this.#collectAll();
    if (n === 0 || pool.alloc(this.#pkts, n) === 0) return;
    const { ids } = this.#pkts;
    for (let i = 0; i < n; i++) this.#writer.write(ids[i], (this.#dues[i] * unitsPerTick) | 0);
    this.#first = (this.#wanted[0] - this.#left[0]) | 0;
    this.#left[0] -= n;
    this.#from = 0;
    this.#to = n;
    this.#flush();
  }

  /** HOT. The due times of up to a burst of frames; returns their number. */
  #collectDue(maxLag: number): number {
    const times = this.#times;
    const now = this.#now[0];
    this.#skipTooLate(maxLag);
    if (this.#steady) return this.#collectSteady();
    if (this.#replayed) this.#putOff();
    const { burst } = this.#parts.plan;
    let n = 0;
    for (; n < BURST && n < this.#left[0] && times[NEXT] <= now && times[NEXT] < times[END]; n++) {
      this.#dues[n] = times[NEXT];
      if (++this.#inBurst < burst) continue;
      this.#inBurst = 0;
      this.#advance();
    }
    return n;
  }

  /**
   * HOT. Where the loop was away from its CPU, a replay goes on with its gaps, that much later: catching up
   * would make the gap after the wrong one wrong as well, and send together what was due meanwhile. What was
   * late before, because the queue was full, stays so.
   */
  #putOff(): void {
    const { global } = this.#parts;
    const times = this.#times;
    const ended = global[G_AWAY_ENDED];
    if (ended === times[PUT_OFF]) return;
    times[PUT_OFF] = ended;
    const late = ended - Math.max(times[NEXT], global[G_AWAY_BEGAN]);
    if (late < this.#gaps.nearTicks) return;
    times[LOOP] += late;
    times[NEXT] += late;
    this.#gaps.putOff(late);
  }

  /** HOT. As #collectDue, with all that it needs in registers: at millions of frames a second it shows. */
  #collectSteady(): number {
    const times = this.#times;
    const dues = this.#dues;
    const now = this.#now[0];
    const end = times[END];
    const interval = times[INTERVAL];
    const left = this.#left[0];
    let next = times[NEXT];
    let n = 0;
    for (; n < BURST && n < left && next <= now && next < end; n++) {
      dues[n] = next;
      next += interval;
    }
    times[NEXT] = next;
    return n;
  }

  /** HOT. Without a rate, frames are due now. */
  #collectAll(): number {
    const now = this.#now[0];
    if (now >= this.#times[END]) return 0;
    const room = this.#window();
    const most = room < BURST ? room : BURST;
    const n = this.#left[0] < most ? this.#left[0] : most;
    for (let i = 0; i < n; i++) this.#dues[i] = now;
    return n;
  }

  /** HOT. How many frames more may be in flight. One that does not come back for long counts as lost. */
  #window(): number {
    const { settings, counters } = this.#parts;
    const window = settings[SET_WINDOW];
    if (window === Number.POSITIVE_INFINITY) return BURST;
    const away = counters[S_SENT] - counters[S_RECEIVED] + counters[S_DUPLICATES];
    const times = this.#times;
    if (away - times[GIVEN_UP] >= window && this.#now[0] - times[LAST_SENT] > settings[SET_DRAIN])
      times[GIVEN_UP] = away;
    return Math.max(0, window - (away - times[GIVEN_UP]));
  }

  /** HOT. Sets when the next burst is due. */
  #advance(): void {
    const times = this.#times;
    if (this.#replayed) this.#advanceReplay(this.#replayed);
    else if (this.#parts.plan.poisson)
      times[NEXT] -= times[INTERVAL] * Math.log(((this.#random.next() >>> 0) + 1) / 4_294_967_297);
    else times[NEXT] += times[INTERVAL];
  }

  /** HOT. The packets of a capture keep their distances. */
  #advanceReplay(dues: Float64Array): void {
    const times = this.#times;
    if (++this.#packet === dues.length) {
      const { loopGap } = this.#parts.plan.replay as { loopGap: number };
      times[LOOP] += (dues[dues.length - 1] + loopGap) * times[INTERVAL];
      this.#packet = 0;
    }
    times[NEXT] = times[LOOP] + dues[this.#packet] * times[INTERVAL];
  }

  /** HOT. A replay sends what is late all the same. */
  #skipTooLate(maxLag: number): void {
    const times = this.#times;
    const bound = this.#now[0] - maxLag;
    if (times[NEXT] < bound && !this.#replayed) this.#skipUntil(Math.min(bound, times[END]));
  }

  /** Counts the frames that are due before `time` as unsent. */
  #skipUntil(time: number): void {
    const times = this.#times;
    if (!(times[NEXT] < time) || this.#left[0] === 0) return;
    if (this.#replayed) {
      this.#skipReplayed(time);
      return;
    }
    const bursts = Math.ceil((time - times[NEXT]) / times[INTERVAL]);
    const frames = Math.min(bursts * this.#parts.plan.burst - this.#inBurst, this.#left[0]);
    this.#parts.counters[S_UNSENT] += frames;
    this.#left[0] -= frames;
    this.#inBurst = 0;
    times[NEXT] += bursts * times[INTERVAL];
  }

  #skipReplayed(time: number): void {
    this.#skipLoops(time);
    for (; this.#times[NEXT] < time && this.#left[0] > 0; this.#left[0]--) {
      this.#parts.counters[S_UNSENT]++;
      this.#advance();
    }
  }

  /** Whole loops of a replay at once: a short one may be due more often than can be counted. */
  #skipLoops(time: number): void {
    const times = this.#times;
    const dues = this.#replayed as Float64Array;
    const { loopGap } = this.#parts.plan.replay as { loopGap: number };
    const loop = (dues[dues.length - 1] + loopGap) * times[INTERVAL];
    const loops = Math.floor(Math.min((time - times[NEXT]) / loop, this.#left[0] / dues.length));
    if (!(loops > 0)) return;
    this.#parts.counters[S_UNSENT] += loops * dues.length;
    this.#left[0] -= loops * dues.length;
    times[LOOP] += loops * loop;
    times[NEXT] += loops * loop;
  }

  /** HOT. */
  #flush(): void {
    const { tx, counters, global, pool, settings, watch } = this.#parts;
    const sent = tx.burst(this.#pkts, this.#from, this.#to);
    const after = this.#from + sent;
    if (after < this.#to) global[G_QUEUE_FULL]++;
    if (sent === 0) {
      // Else, where the queue takes nothing for long, nobody would see that frames are unsent.
      if (this.#times[INTERVAL] > 0) this.#skipTooLate(settings[SET_MAX_LAG]);
      return;
    }
    counters[S_SENT] += sent;
    // The queue has freed the mbufs, but nothing has taken them since.
    const { ids } = this.#pkts;
    let bytes = 0;
    for (let i = this.#from; i < after; i++) bytes += pool.pktLen[ids[i]];
    counters[S_TX_BYTES] += bytes;
    // The time at which packets of a capture are on the ring; of others, millions a second, that of the
    // round.
    if (this.#replayed) watch.tick(sent);
    if (this.#times[INTERVAL] > 0) {
      this.#gaps.take(this.#dues, this.#from, after, this.#now, this.#first + this.#from);
    }
    this.#times[LAST_SENT] = this.#now[0];
    this.#from = after;
  }
}

/** By how much the due time of the frame after the last may be too early: each sum is off by half a bit. */
function slackOf(interval: number, end: number): number {
  if (!(interval > 0) || !Number.isFinite(end)) return 1;
  return Math.max(1, Math.min(interval / 2, ((end / interval) * end * Number.EPSILON) / 2));
}
