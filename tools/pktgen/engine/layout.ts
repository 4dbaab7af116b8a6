// SPDX-License-Identifier: BSD-3-Clause
// The memory that the generator's lcore shares with the main thread: commands, counters, histograms. The
// lcore runs one trial after another, so that its code stays compiled from trial to trial.
import type { GapLogMemory } from './gap-log.ts';
import { HISTOGRAM_BUCKETS, HISTOGRAM_BYTES } from './histogram.ts';

// Control words (Int32Array).
/** Written by the main thread: number of the trial to run; the lcore waits for a change. */
export const TRIAL = 0;
/** Written by the lcore: where the trial is. */
export const PHASE = 1;
/** Written by the main thread: 1 ends the trial's sending early. */
export const HALT = 2;
/** Written by the main thread: changes whenever the intervals have changed. */
export const RATE_VERSION = 3;
const CONTROL_WORDS = 4;

/** Values of PHASE. */
export const IDLE = 0;
export const SENDING = 1;
export const DRAINING = 2;
export const DONE = 3;

// Settings of the trial (Float64Array), in ticks of the TSC.
/** Ticks for which frames are due; Infinity: until HALT. */
export const SET_DURATION = 0;
/** Ticks without a frame after which those in flight are lost. */
export const SET_DRAIN = 1;
/** Frames that are overdue for longer than this many ticks are not sent any more. */
export const SET_MAX_LAG = 2;
/** Most frames of each stream; Infinity for no limit. */
export const SET_LIMIT = 3;
/** Most frames of a stream in flight, where there is no rate; Infinity for no limit. */
export const SET_WINDOW = 4;
/** Not 0: a replay sends nothing, and what it would have sent comes back. */
export const SET_REHEARSAL = 5;
/**
 * From here on, one for each stream: ticks between two bursts; 0: as fast as the queue accepts them;
 * Infinity: never.
 */
export const SET_INTERVALS = 6;

// Counters of the loop (Float64Array).
/** Ticks since the trial began. */
export const G_NOW = 0;
/** Frames received that are not of this run. */
export const G_FOREIGN = 1;
/** Times that the loop was away from its CPU for long (STALL_US in cpu-watch.ts). */
export const G_STALLS = 2;
/** Ticks of the longest of these. */
export const G_LONGEST_STALL = 3;
/** Ticks in which frames were due: the trial's actual length. */
export const G_SENT_FOR = 4;
/** Ticks of all stalls. */
export const G_STALL_TICKS = 5;
/** Calls of a transmit queue that did not accept all frames. */
export const G_QUEUE_FULL = 6;
/**
 * When the loop was last away from its CPU (CpuWatch): from and to; 0 before the first time. And how often.
 */
export const G_AWAY_BEGAN = 7;
export const G_AWAY_ENDED = 8;
export const G_AWAYS = 9;
/** Gaps between frames: wrong ones (GapMeter), those in which the loop was away, and those that were both. */
export const G_GAPS_OFF = 10;
export const G_GAPS_AWAY = 11;
export const G_GAPS_OFF_AWAY = 12;
const GLOBAL_WORDS = 13;

// Counters of the far end of a replay (Float64Array).
/** Packets that came as they were in the capture, that did not come, and that are not of it. */
export const A_WHOLE = 0;
export const A_MISSING = 1;
export const A_OTHERS = 2;
const ARRIVAL_WORDS = 3;

// Counters of a stream (Float64Array).
export const S_SENT = 0;
/** Frames that were due but never sent. */
export const S_UNSENT = 1;
/** Frames received, duplicates included. */
export const S_RECEIVED = 2;
export const S_DUPLICATES = 3;
/** Frames that arrived after one with a higher number. */
export const S_REORDERED = 4;
export const S_TX_BYTES = 5;
export const S_RX_BYTES = 6;
/** Latencies recorded, their sum, extremes, and smoothed variation (RFC 3550, 6.4.1), in units. */
export const S_SAMPLES = 7;
export const S_LATENCY_SUM = 8;
export const S_LATENCY_MIN = 9;
export const S_LATENCY_MAX = 10;
export const S_JITTER = 11;
export const S_LATENCY_LAST = 12;
export const STREAM_WORDS = 16;

/** Plain data, which both threads hold. */
export interface SharedMemory {
  readonly streams: number;
  readonly control: SharedArrayBuffer;
  readonly settings: SharedArrayBuffer;
  readonly global: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** A latency histogram for each stream, then that of the gaps' errors. */
  readonly histograms: SharedArrayBuffer;
}

export function newSharedMemory(streams: number): SharedMemory {
  return {
    streams,
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    settings: new SharedArrayBuffer((SET_INTERVALS + streams) * 8),
    global: new SharedArrayBuffer(GLOBAL_WORDS * 8),
    counters: new SharedArrayBuffer(streams * STREAM_WORDS * 8),
    histograms: new SharedArrayBuffer((streams + 1) * HISTOGRAM_BYTES),
  };
}

/** That of the far end: plain data, which both threads hold. */
export interface ReflectMemory {
  readonly global: SharedArrayBuffer;
  readonly arrivals: SharedArrayBuffer;
  /** A histogram of the gaps' errors. */
  readonly gaps: SharedArrayBuffer;
  /** When each packet came; null if that is not wanted. */
  readonly log: GapLogMemory | null;
}

export const newReflectMemory = (log: GapLogMemory | null): ReflectMemory => ({
  global: new SharedArrayBuffer(GLOBAL_WORDS * 8),
  arrivals: new SharedArrayBuffer(ARRIVAL_WORDS * 8),
  gaps: new SharedArrayBuffer(HISTOGRAM_BYTES),
  log,
});

export const streamCounters = (memory: SharedMemory, stream: number): Float64Array =>
  new Float64Array(memory.counters, stream * STREAM_WORDS * 8, STREAM_WORDS);

export const latencyCounts = (memory: SharedMemory, stream: number): Float64Array =>
  new Float64Array(memory.histograms, stream * HISTOGRAM_BYTES, HISTOGRAM_BUCKETS);

export const gapCounts = (memory: SharedMemory): Float64Array => latencyCounts(memory, memory.streams);

/**
 * Ticks of one unit of time stamps and histograms: a power of two, so that a unit is the longest that is not
 * longer than 2 ns, or one tick.
 */
export const ticksPerUnit = (hz: number): number => 2 ** Math.max(0, Math.floor(Math.log2(hz / 0.5e9)));
