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
  G_NOW,
  HALT,
  newSharedMemory,
  PHASE,
  RATE_VERSION,
  S_SENT,
  SENDING,
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
/** What the far end does to the words of the frame that is sent as the `n`-th. */
type Forge = (frame: Uint32Array, n: number) => void;
/** Words of a frame that has no tag: its number, and when it was due. */
const NUMBER = 12;
const DUE = 13;

/** A wire with room for ROOM frames, whose other end is the same port. */
class Wire {
  readonly #frames = new Uint32Array(ROOM * WORDS);
  readonly #lengths = new Uint32Array(ROOM);
  readonly #fate: Fate;
  readonly #forge: Forge;
  #head = 0;
  #tail = 0;
  sent = 0;
  /** Whether it takes no frame. */
  full = false;

  constructor(fate: Fate, forge: Forge) {
    this.#fate = fate;
    this.#forge = forge;
  }

  burst(pkts: MbufVector, from: number, to: number): number {
    const { pool } = pkts;
    const n = this.full ? 0 : Math.min(to - from, ROOM - 1 - (this.#head - this.#tail));
    for (let i = from; i < from + n; i++) {
      const mbuf = pkts.ids[i] as number;
      const at = (mbuf * pool.stride + (pool.dataOff[mbuf] as number)) >>> 2;
      const number = this.sent++;
      for (let copies = this.#fate(number); copies > 0; copies--) {
        const slot = this.#head++ % ROOM;
        this.#lengths[slot] = pool.dataLen[mbuf] as number;
        for (let k = 0; k < WORDS; k++) this.#frames[slot * WORDS + k] = pool.words[at + k] as number;
        this.#forge(this.#frames.subarray(slot * WORDS, (slot + 1) * WORDS), number);
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
  readonly forge?: Forge;
  /** Called when the loop receives. */
  readonly eachRound?: (memory: SharedMemory, wire: Wire) => void;
}

function trialOf(plan: StreamPlan, largest: number, way: Way) {
  return trialOfAll([plan], largest, way);
}

function trialOfAll(
  plans: readonly StreamPlan[],
  largest: number,
  { frames, fate, interval, rehearsal = false, forge = () => {}, eachRound = () => {} }: Way,
) {
  const memory = newSharedMemory(plans.length);
  const hz = native.tscHz();
  const settings = new Float64Array(memory.settings);
  settings[SET_DURATION] = settings[SET_MAX_LAG] = settings[SET_WINDOW] = Number.POSITIVE_INFINITY;
  settings[SET_DRAIN] = hz / 100;
  settings[SET_LIMIT] = frames;
  settings.fill(interval, SET_INTERVALS);
  settings[SET_REHEARSAL] = Number(rehearsal);
  const control = new Int32Array(memory.control);
  control[TRIAL] = 1;
  const wire = new Wire(fate, forge);
  const createPool = (options?: MempoolOptions) => {
    const pool = new Mempool(options);
    pools.push(pool);
    return pool;
  };
  const lcore = {
    data: { streams: plans, memory, tag: TAG, largest, hugepages: false, log: null },
    running: () => control[PHASE] !== DONE,
    createPool,
    txQueue: () => wire,
    rxQueue: () => ({
      burst: (pkts: MbufVector, most: number) => {
        if (control[PHASE] === SENDING) eachRound(memory, wire);
        return wire.receive(pkts, most);
      },
    }),
  };
  generate(lcore as unknown as LcoreContext<LcorePlan>);
  const names = plans.map((_, i) => `${i}`);
  const result = readResult(memory, { names, hz, nsPerUnit: (1e9 * ticksPerUnit(hz)) / hz });
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

describe('rates that change while frames are sent', () => {
  const change = (memory: SharedMemory, stream: number, interval: number) => {
    new Float64Array(memory.settings)[SET_INTERVALS + stream] = interval;
    new Int32Array(memory.control)[RATE_VERSION]++;
  };
  const compiled = (stream: Stream, index: number) => compileStream(stream, index, MACS, '', 1);
  const sentOf = (memory: SharedMemory, stream: number) => streamCounters(memory, stream)[S_SENT] as number;

  it.each([{}, { poisson: true }, { burst: 3 }])(
    'a stream that is stopped and started keeps its numbers, and the other goes on: %j',
    (how) => {
      const plans = [how, { size: 100 }].map((stream, i) => compiled(stream, i).plan);
      const interval = 20_000;
      let [phase, mark, still, rounds] = [0, 0, 0, 0];
      const eachRound = (memory: SharedMemory) => {
        const [sent, other] = [sentOf(memory, 0), sentOf(memory, 1)];
        if (++rounds === 5_000_000) new Int32Array(memory.control)[HALT] = 1;
        if (phase === 0 && sent > 200) {
          change(memory, 0, Number.POSITIVE_INFINITY);
          phase = 1;
        } else if (phase === 1) {
          // What was due, and found the wire full, is sent first.
          still = sent === mark ? still + 1 : 0;
          mark = sent;
          if (still < 500) return;
          [phase, still] = [2, other];
        } else if (phase === 2) {
          expect(sent).toBe(mark);
          if (other < still + 100) return;
          phase = 3;
          change(memory, 0, interval);
        } else if (phase === 3 && sent > mark + 200) new Int32Array(memory.control)[HALT] = 1;
      };
      const fate = (n: number) => Number(n !== 100 && n !== 450);
      const { result } = trialOfAll(plans, 100, { frames: 1e9, fate, interval, eachRound });
      expect(phase).toBe(3);
      expect(result).toMatchObject({ unsent: 0, lost: 2, reordered: 0, duplicates: 0, foreign: 0 });
      expect(result.received).toBe(result.sent - 2);
      expect(result.streams[0]?.sent).toBeGreaterThan(mark + 200);
    },
  );

  it.each([Number.POSITIVE_INFINITY, 5000, 20_000])(
    'what was due before is sent however late there is room, to the frame: then %d ticks',
    (after) => {
      const interval = 10_000;
      let [changed, before, rounds] = [0, 0, 0];
      const eachRound = (memory: SharedMemory, wire: Wire) => {
        const now = new Float64Array(memory.global)[G_NOW] as number;
        wire.full = rounds < 100;
        // Not while the loop receives what it had sent before the wire was full, and looks at its clock
        // again.
        if (changed === 0 && ++before > 10 && now >= 500 * interval) {
          changed = now;
          change(memory, 0, after);
        }
        if (changed > 0 && ++rounds === 1000) new Int32Array(memory.control)[HALT] = 1;
      };
      const way = { frames: 1e9, fate: () => 1, interval, eachRound };
      const { result } = trialOf(compiled({}, 0).plan, 64, way);
      const due = Math.ceil(changed / interval);
      const end = Math.round(result.seconds * native.tscHz());
      const next = changed + ((due * interval - changed) / interval) * after;
      const dueLater = after === Number.POSITIVE_INFINITY ? 0 : Math.max(0, Math.ceil((end - next) / after));
      expect([result.offered, result.unsent, result.lost]).toEqual([due + dueLater, 0, 0]);
    },
  );

  it('of an overloaded stream takes no longer than --max-lag', () => {
    let [rounds, due] = [0, 0];
    const eachRound = (memory: SharedMemory, wire: Wire) => {
      wire.full = true;
      const now = new Float64Array(memory.global)[G_NOW] as number;
      if (++rounds === 100) {
        new Float64Array(memory.settings)[SET_MAX_LAG] = 1;
        due = Math.ceil(now / 10);
        change(memory, 0, Number.POSITIVE_INFINITY);
      }
      if (rounds === 110) wire.full = false;
      if (rounds === 200) new Int32Array(memory.control)[HALT] = 1;
    };
    const { result } = trialOf(compiled({}, 0).plan, 64, {
      frames: 1e9,
      fate: () => 1,
      interval: 10,
      eachRound,
    });
    expect([result.offered, result.lost]).toEqual([due, 0]);
    expect(result.unsent).toBeGreaterThan(due / 2);
  });
});

describe('a far end that changes frames', () => {
  const forged = (forge: Forge) => {
    const { plan, largest } = compileStream({}, 0, MACS, '', 1);
    return trialOf(plan, largest, { frames: 1000, fate: () => 1, interval: 0, forge }).result;
  };

  it.each([
    ['the next', 1000],
    ['far ahead', 0x4000_0000],
    ['far behind', 0x8000_0000],
  ])(
    'regression: numbers that were never sent (%s) were received, and later frames overtaken',
    (_, number) => {
      const result = forged((frame, n) => {
        if (n % 10 === 0) frame[NUMBER] = number;
      });
      expect(result).toMatchObject({ sent: 1000, received: 900, lost: 100, foreign: 100 });
      expect(result).toMatchObject({ reordered: 0, duplicates: 0, rxBytes: 900 * 64 });
    },
  );

  it('regression: a frame that took seconds was one that took none', () => {
    const units = native.tscHz() / ticksPerUnit(native.tscHz());
    const late = 2 ** 31 + units;
    const result = forged((frame, n) => {
      if (n === 7) frame[DUE] -= late;
    });
    const ns = (late / units) * 1e9;
    expect(result.latency?.maxNs).toBeGreaterThanOrEqual(ns);
    expect(result.latency?.maxNs).toBeLessThan(ns + 1e9);
    expect(result.latency?.minNs).toBeGreaterThan(0);
  });
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
