// SPDX-License-Identifier: BSD-3-Clause
// The whole loop of the generator over a port that loses, doubles or swaps exactly what it is told to.
import { afterEach, describe, expect, it } from 'vitest';
import { type MbufVector, Mempool, type MempoolOptions } from '../../../src/ethdev/mempool.ts';
import type { LcoreContext } from '../../../src/lcore/context.ts';
import { native } from '../../../src/native.ts';
import { compileStream } from '../plan/compile.ts';
import type { StreamPlan } from '../plan/frame-plan.ts';
import type { Stream } from '../plan/stream.ts';
import { readResult, type TrialResult } from '../result.ts';
import {
  DONE,
  newSharedMemory,
  PHASE,
  SET_DRAIN,
  SET_DURATION,
  SET_INTERVALS,
  SET_LIMIT,
  SET_MAX_LAG,
  SET_REHEARSAL,
  SET_WINDOW,
  TRIAL,
  ticksPerUnit,
} from './layout.ts';
import generate, { type LcorePlan } from './lcore.ts';

const MACS = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };
const TAG = 0x5a5a_5a00;
/** Frames on their way, and the words of each. */
const ROOM = 256;
const WORDS = 32;

const pools: Mempool[] = [];
afterEach(() => {
  for (const pool of pools.splice(0)) pool.close();
});

/** What becomes of the frame that is sent as the `n`-th, from 0: how many of it arrive. */
type Fate = (n: number) => number;

/** A wire with room for ROOM frames, whose other end is the same port. */
class Wire {
  readonly #frames = new Uint32Array(ROOM * WORDS);
  readonly #lengths = new Uint32Array(ROOM);
  readonly #fate: Fate;
  #head = 0;
  #tail = 0;
  sent = 0;

  constructor(fate: Fate) {
    this.#fate = fate;
  }

  burst(pkts: MbufVector, from: number, to: number): number {
    const { pool } = pkts;
    const n = Math.min(to - from, ROOM - 1 - (this.#head - this.#tail));
    for (let i = from; i < from + n; i++) {
      const mbuf = pkts.ids[i] as number;
      const at = (mbuf * pool.stride + (pool.dataOff[mbuf] as number)) >>> 2;
      for (let copies = this.#fate(this.sent++); copies > 0; copies--) {
        const slot = this.#head++ % ROOM;
        this.#lengths[slot] = pool.dataLen[mbuf] as number;
        for (let k = 0; k < WORDS; k++) this.#frames[slot * WORDS + k] = pool.words[at + k] as number;
      }
    }
    pool.free(pkts, from, from + n);
    return n;
  }

  receive(pkts: MbufVector, most: number): number {
    const { pool } = pkts;
    const n = Math.min(most, this.#head - this.#tail);
    if (n === 0 || pool.alloc(pkts, n) === 0) return 0;
    for (let i = 0; i < n; i++) {
      const slot = this.#tail++ % ROOM;
      const mbuf = pkts.ids[i] as number;
      const at = (mbuf * pool.stride + (pool.dataOff[mbuf] as number)) >>> 2;
      for (let k = 0; k < WORDS; k++) pool.words[at + k] = this.#frames[slot * WORDS + k] as number;
      pool.dataLen[mbuf] = pool.pktLen[mbuf] = this.#lengths[slot] as number;
    }
    return n;
  }
}

/** Sends `frames` of the stream, one each `interval` ticks or as the wire takes them; returns the figures. */
function trial(stream: Stream, frames: number, fate: Fate, interval = 0): TrialResult {
  const { plan, largest } = compileStream(stream, 0, MACS, '', 1);
  return trialOf(plan, largest, { frames, fate, interval }).result;
}

interface Way {
  readonly frames: number;
  readonly fate: Fate;
  readonly interval: number;
  readonly rehearsal?: boolean;
}

function trialOf(plan: StreamPlan, largest: number, { frames, fate, interval, rehearsal = false }: Way) {
  const memory = newSharedMemory(1);
  const hz = native.tscHz();
  const settings = new Float64Array(memory.settings);
  settings[SET_DURATION] = settings[SET_MAX_LAG] = settings[SET_WINDOW] = Number.POSITIVE_INFINITY;
  settings[SET_DRAIN] = hz / 100;
  settings[SET_LIMIT] = frames;
  settings[SET_INTERVALS] = interval;
  settings[SET_REHEARSAL] = Number(rehearsal);
  const control = new Int32Array(memory.control);
  control[TRIAL] = 1;
  const wire = new Wire(fate);
  const createPool = (options?: MempoolOptions) => {
    const pool = new Mempool(options);
    pools.push(pool);
    return pool;
  };
  const lcore = {
    data: { streams: [plan], memory, tag: TAG, largest, hugepages: false },
    running: () => control[PHASE] !== DONE,
    createPool,
    txQueue: () => wire,
    rxQueue: () => ({ burst: (pkts: MbufVector, most: number) => wire.receive(pkts, most) }),
  };
  generate(lcore as unknown as LcoreContext<LcorePlan>);
  const result = readResult(memory, { names: ['0'], hz, nsPerUnit: (1e9 * ticksPerUnit(hz)) / hz });
  return { result, wire };
}

const TEN_MILLION = 10_000_000;

it('finds the one frame in ten million that is dropped', () => {
  const result = trial({}, TEN_MILLION, (n) => (n === 7_654_321 ? 0 : 1));
  expect(result).toMatchObject({ sent: TEN_MILLION, received: TEN_MILLION - 1, lost: 1, unsent: 0 });
  expect(result).toMatchObject({ reordered: 0, duplicates: 0, foreign: 0 });
});

it('says zero where none is', () => {
  const result = trial({}, 1_000_000, () => 1);
  expect(result).toMatchObject({ sent: 1_000_000, received: 1_000_000, lost: 0, duplicates: 0, foreign: 0 });
  expect(result.latency?.samples).toBe(1_000_000);
});

it.each([
  ['the first', 0],
  ['the last', 99_999],
])('finds it where it is %s', (_, dropped) => {
  expect(trial({}, 100_000, (n) => Number(n !== dropped))).toMatchObject({ lost: 1, received: 99_999 });
});

it('tells a doubled frame from a lost one', () => {
  const result = trial({ size: 100 }, 100_000, (n) => (n === 5 ? 0 : n === 77_777 ? 2 : 1));
  expect(result).toMatchObject({ received: 99_999, lost: 1, duplicates: 1, reordered: 0 });
});

it('regression: a run at whose end the loop was away lasted until then', () => {
  const away = () => {
    for (const end = performance.now() + 20; performance.now() < end; );
    return 1;
  };
  expect(trial({}, 1, away).seconds).toBeGreaterThanOrEqual(0.02);
});

it('judges every gap but the first, however many frames are sent together', () => {
  for (const stream of [{}, { burst: 2 }, { poisson: true }]) {
    const { sent, gaps } = trial(stream, 100_000, () => 1, 100);
    expect([sent, gaps?.samples]).toEqual([100_000, 99_999]);
  }
});

describe('a replay', () => {
  const frames = 20;
  const replayed = (rehearsal: boolean, fate: Fate) => {
    const words = new Uint32Array(16 * frames);
    const starts = Uint32Array.from({ length: frames }, (_, i) => 16 * i);
    const dues = Float64Array.from({ length: frames }, (_, i) => 50_000 * i);
    const replay = { words, starts, lengths: new Uint32Array(frames).fill(64), dues, loopGap: 0 };
    const plan = { frame: null, replay, burst: 1, poisson: false, count: frames, seed: 1 };
    return trialOf(plan, 64, { frames, fate, interval: native.tscHz() / 1e9, rehearsal });
  };

  it('sends nothing in a rehearsal, and receives as many packets as it would have sent', () => {
    const { result, wire } = replayed(true, () => 1);
    expect([result.sent, result.foreign, wire.sent]).toEqual([frames, frames, 0]);
  });

  it('goes on with its gaps after a stall', () => {
    const awayOnce = (n: number) => {
      if (n === 5) for (const end = performance.now() + 20; performance.now() < end; );
      return 1;
    };
    const { result, wire } = replayed(false, awayOnce);
    expect([result.sent, result.unsent, wire.sent]).toEqual([frames, 0, frames]);
    // 0.25 ms, the stall, and then fourteen gaps of 50 us, but for that in which the stall was.
    expect(result.seconds).toBeGreaterThan(0.0207);
  });
});
