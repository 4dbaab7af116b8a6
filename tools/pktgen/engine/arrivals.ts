// SPDX-License-Identifier: BSD-3-Clause
// What comes to the far end of a replay, against the capture that is to come: which packets are as they were,
// which are missing or of others, and how near the gaps are. Allocates nothing.
import type { Mempool } from '../../../src/ethdev/mempool.ts';
import type { ReplayPlan } from '../plan/frame-plan.ts';
import type { GapMeter } from './gap-meter.ts';
import { A_MISSING, A_OTHERS, A_WHOLE } from './layout.ts';

/** How many packets may be missing before one that is still known. */
const LOOK_AHEAD = 64;

export interface ArrivalParts {
  readonly replay: ReplayPlan;
  readonly pool: Mempool;
  readonly gaps: GapMeter;
  readonly counters: Float64Array;
  /** Of a nanosecond of the capture. */
  readonly ticks: number;
}

export class Arrivals {
  readonly #parts: ArrivalParts;
  readonly #bytes: Uint8Array;
  /** When the packet at hand was to come. */
  readonly #due = new Float64Array(1);
  /** Ticks of the loop of the capture that comes now, from the first of all. */
  readonly #loop = new Float64Array(1);
  /** Next packet of the capture, and its number among all loops. */
  #next = 0;
  #number = 0;

  constructor(parts: ArrivalParts) {
    const { words } = parts.replay;
    this.#parts = parts;
    this.#bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  }

  begin(): void {
    this.#parts.gaps.begin(0);
    this.#parts.counters.fill(0);
    this.#next = this.#number = this.#loop[0] = 0;
  }

  /** HOT. A packet came at `now[0]`, in a round that began at `since[0]`. */
  take(mbuf: number, now: Float64Array, since: Float64Array): void {
    const { gaps, counters, replay, ticks } = this.#parts;
    const ahead = this.#find(mbuf);
    if (ahead < 0) {
      counters[A_OTHERS]++;
      return;
    }
    for (let i = 0; i < ahead; i++) this.#advance();
    counters[A_MISSING] += ahead;
    counters[A_WHOLE]++;
    const dues = replay.dues as Float64Array;
    this.#due[0] = this.#loop[0] + dues[this.#next] * ticks;
    gaps.arrived(this.#due, 0, now, since, this.#number);
    this.#advance();
  }

  /** HOT. How many packets before this one are missing; -1 if it is not of the capture. */
  #find(mbuf: number): number {
    const { length } = this.#parts.replay.lengths;
    for (let ahead = 0, packet = this.#next; ahead < LOOK_AHEAD; ahead++) {
      if (this.#isPacket(packet, mbuf)) return ahead;
      packet = packet + 1 < length ? packet + 1 : 0;
    }
    return -1;
  }

  /** HOT. */
  #isPacket(packet: number, mbuf: number): boolean {
    const { replay, pool } = this.#parts;
    const length = replay.lengths[packet];
    if (pool.pktLen[mbuf] !== length || pool.dataLen[mbuf] !== length) return false;
    const at = mbuf * pool.stride + pool.dataOff[mbuf];
    const from = 4 * replay.starts[packet];
    const { bytes } = pool;
    for (let i = 0; i < length; i++) if (bytes[at + i] !== this.#bytes[from + i]) return false;
    return true;
  }

  /** HOT. */
  #advance(): void {
    const { replay, ticks } = this.#parts;
    const dues = replay.dues as Float64Array;
    this.#number++;
    if (++this.#next < dues.length) return;
    this.#next = 0;
    this.#loop[0] += (dues[dues.length - 1] + replay.loopGap) * ticks;
  }
}
