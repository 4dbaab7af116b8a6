// SPDX-License-Identifier: BSD-3-Clause
// The far end of a generator: sends every frame back, MAC addresses exchanged, or answered if it asks for the
// addresses of this end. What the queue does not accept is kept and tried again, so that this end loses
// nothing. Its first frame finds the loop compiled, by a rehearsal. Allocates nothing per frame.
import { MBUF_DEFAULT_DATA_ROOM, type MbufVector, type Mempool } from '../../../src/ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../../src/ethdev/port.ts';
import type { LcoreContext } from '../../../src/lcore/context.ts';
import { ticksOf } from '../../../src/lcore/ticks.ts';
import { native } from '../../../src/native.ts';
import { swapBytes } from '../../../src/packet/bytes.ts';
import { ETHER } from '../../../src/packet/headers.ts';
import type { ReplayPlan } from '../plan/frame-plan.ts';
import { Arrivals } from './arrivals.ts';
import { Clock } from './clock.ts';
import { CpuWatch } from './cpu-watch.ts';
import { GapLog } from './gap-log.ts';
import { GapMeter, NEAR_US } from './gap-meter.ts';
import { G_NOW, type ReflectMemory, ticksPerUnit } from './layout.ts';
import { Rehearsal, RehearsedRx, RehearsedTx } from './rehearsal.ts';
import { ReplayWriter } from './replay-writer.ts';
import { type HostAddresses, Responder } from './responder.ts';

const BURST = 32;
const MAC_BYTES = 6;
/** Microseconds between two packets of a rehearsal. */
const REHEARSED_US = 20;
/** Indices of `lcore.stats`. */
export const REFLECTED = 0;
export const REFLECTED_BYTES = 1;
/** Those of them that are answers. */
export const ANSWERED = 2;
/** 1 once the rehearsal is over. */
export const REHEARSED = 3;

export interface ReflectPlan {
  readonly hugepages: boolean;
  /** Null if this end has no addresses. */
  readonly host: HostAddresses | null;
  /** Seconds. */
  readonly warmUp: number;
  readonly memory: ReflectMemory;
  /** What is to come, if that is known; it has due times. */
  readonly replay: ReplayPlan | null;
  /** Times as fast as it was captured. */
  readonly speed: number;
  /** Bytes of the largest frame that is to come. */
  readonly largest: number;
}

class Reflector {
  readonly #lcore: LcoreContext<ReflectPlan>;
  readonly #pool: Mempool;
  readonly #responder: Responder | null;
  readonly #arrivals: Arrivals | null;
  readonly #clock = new Clock();
  readonly #global: Float64Array;
  readonly #watch: CpuWatch;
  readonly #rehearsal = new Rehearsal(true);
  readonly #rx: RxQueue;
  readonly #tx: TxQueue;
  readonly #pkts: MbufVector;
  readonly #near = ticksOf(NEAR_US);
  readonly #rehearsedGap = ticksOf(REHEARSED_US);
  /**
   * Index 0: ticks, shortly before the queue was last found empty. A loop that was away after that may have
   * had the packets at hand at the wrong time: what had to wait comes in more than one burst.
   */
  readonly #since = new Float64Array(1);
  /** Ticks: when the next packet of the rehearsal comes, and when that ends. */
  readonly #rehearsed = new Float64Array(2);
  #rehearsing = false;

  constructor(lcore: LcoreContext<ReflectPlan>) {
    const { hugepages, host, memory, replay, largest } = lcore.data;
    this.#lcore = lcore;
    this.#responder = host === null ? null : new Responder(host);
    const dataRoom = Math.max(MBUF_DEFAULT_DATA_ROOM, largest);
    this.#pool = lcore.createPool({ count: 512, dataRoom, hugepages });
    this.#pkts = this.#pool.vector(BURST);
    this.#global = new Float64Array(memory.global);
    this.#watch = new CpuWatch(this.#clock, this.#global);
    const writer = replay === null ? null : new ReplayWriter(replay, this.#pool);
    this.#rx = new RehearsedRx(lcore.rxQueue(0), this.#rehearsal, writer);
    this.#tx = new RehearsedTx(lcore.txQueue(0), this.#rehearsal);
    this.#arrivals = replay === null ? null : this.#arrivalsOf(replay);
  }

  #arrivalsOf(replay: ReplayPlan): Arrivals {
    const { memory, speed } = this.#lcore.data;
    const hz = native.tscHz();
    const log = memory.log === null ? null : new GapLog(memory.log);
    const gaps = new GapMeter(new Float64Array(memory.gaps), this.#global, 1 / ticksPerUnit(hz), log);
    const counters = new Float64Array(memory.arrivals);
    return new Arrivals({ replay, pool: this.#pool, gaps, counters, ticks: hz / 1e9 / speed });
  }

  serve(): void {
    this.#rehearsing = this.#rehearsal.on = this.#lcore.data.warmUp > 0;
    this.#begin();
    if (!this.#rehearsing) this.#lcore.stats[REHEARSED] = 1;
    while (this.#lcore.running()) this.#round();
  }

  /** Counts from now on. */
  #begin(): void {
    this.#clock.restart();
    this.#global.fill(0);
    new Float64Array(this.#lcore.data.memory.gaps).fill(0);
    this.#arrivals?.begin();
    this.#lcore.stats.fill(0);
    this.#rehearsed.set([0, ticksOf(1e6 * this.#lcore.data.warmUp)]);
  }

  /** HOT. */
  #round(): void {
    if (this.#rehearsing) this.#rehearse();
    const n = this.#rx.burst(this.#pkts, BURST);
    this.#watch.tick(n);
    if (n === 0) {
      this.#since[0] = this.#global[G_NOW] - this.#near;
      return;
    }
    if (this.#rehearsing && !this.#rehearsal.on) this.#endRehearsal();
    this.#sendBack(n);
    this.#watch.tick(n);
  }

  /** HOT. Lets a packet come when it is time, and ends when it is over. */
  #rehearse(): void {
    const { now } = this.#clock;
    const times = this.#rehearsed;
    if (now[0] >= times[1]) this.#endRehearsal();
    else if (now[0] >= times[0]) {
      this.#rehearsal.away = 1;
      times[0] = now[0] + this.#rehearsedGap;
    }
  }

  #endRehearsal(): void {
    this.#rehearsing = this.#rehearsal.on = false;
    this.#rehearsal.away = 0;
    this.#begin();
    this.#since[0] = -this.#near;
    this.#lcore.stats[REHEARSED] = 1;
  }

  /** HOT. */
  #sendBack(n: number): void {
    const lcore = this.#lcore;
    const pool = this.#pool;
    const pkts = this.#pkts;
    const arrivals = this.#arrivals;
    const responder = this.#responder;
    const { ids } = pkts;
    for (let i = 0; i < n; i++) {
      lcore.stats[REFLECTED_BYTES] += pool.pktLen[ids[i]];
      if (arrivals !== null) arrivals.take(ids[i], this.#clock.now, this.#since);
      if (responder?.answer(pool, ids[i])) lcore.stats[ANSWERED]++;
      else swapMacs(pool, ids[i]);
    }
    let sent = 0;
    while (sent < n && lcore.running()) sent += this.#tx.burst(pkts, sent, n);
    pool.free(pkts, sent, n);
    lcore.stats[REFLECTED] += sent;
  }
}

export default function reflect(lcore: LcoreContext<ReflectPlan>): void {
  new Reflector(lcore).serve();
}

/** HOT. */
function swapMacs({ bytes, stride, dataOff }: Mempool, mbuf: number): void {
  const at = mbuf * stride + dataOff[mbuf];
  swapBytes(bytes, at + ETHER.DESTINATION, at + ETHER.SOURCE, MAC_BYTES);
}
