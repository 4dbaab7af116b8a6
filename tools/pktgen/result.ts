// SPDX-License-Identifier: BSD-3-Clause
// The figures of a trial, read from the memory that the lcore writes.
import { addCounts, HISTOGRAM_BUCKETS, HistogramView } from './engine/histogram.ts';
import {
  DONE,
  G_AWAYS,
  G_FOREIGN,
  G_GAPS_AWAY,
  G_GAPS_OFF,
  G_GAPS_OFF_AWAY,
  G_LONGEST_STALL,
  G_NOW,
  G_QUEUE_FULL,
  G_SENT_FOR,
  G_STALL_TICKS,
  G_STALLS,
  gapCounts,
  latencyCounts,
  PHASE,
  S_DUPLICATES,
  S_RECEIVED,
  S_REORDERED,
  S_RX_BYTES,
  S_SENT,
  S_TX_BYTES,
  S_UNSENT,
  type SharedMemory,
  streamCounters,
} from './engine/layout.ts';
import { type LatencySummary, summarize } from './latency.ts';

export type { LatencySummary };

/** Frames and bytes of a run, or of a stream of it. */
export interface Counts {
  /** Frames that were due. */
  readonly offered: number;
  /** Frames that the transmit queue accepted. */
  readonly sent: number;
  /** Due and never sent: the queue was full or the generator too late. Not lost: nobody lost them. */
  readonly unsent: number;
  /** Frames that came back, each counted once. */
  readonly received: number;
  /** Sent and not back, but may still come; 0 once the drain is over. */
  readonly inFlight: number;
  /** Sent and not back when the drain was over; 0 until then. */
  readonly lost: number;
  /** Frames that came after one of the same stream with a higher number. */
  readonly reordered: number;
  /** Frames that came a second time. */
  readonly duplicates: number;
  /** Bytes of the frames sent, without FCS. */
  readonly txBytes: number;
  /** Bytes of the frames that came back, duplicates included. */
  readonly rxBytes: number;
}

/** The figures of one stream. */
export interface StreamResult extends Counts {
  /** Of the stream, or its number. */
  readonly name: string;
  /** Null if nothing came back. */
  readonly latency: LatencySummary | null;
}

/** How exactly frames were spaced. */
export interface GapSummary {
  /** Gaps that were judged. */
  readonly samples: number;
  /** By how much the time between two frames differed from what was asked for. */
  readonly medianNs: number;
  /** 99 of 100 gaps differed by no more. */
  readonly p99Ns: number;
  /** Share of the gaps that were right within 5 us or 1 %. */
  readonly near: number;
  /** Gaps in which the loop was not away from its CPU. */
  readonly undisturbed: number;
  /** Share of those that were right within 5 us or 1 %; null if there were none. */
  readonly nearUndisturbed: number | null;
  /** Times that the loop was away from its CPU: for 3 us without work, or 100 us in any case. */
  readonly away: number;
}

/** The figures of a run whose frames are to come back. */
export interface TrialResult extends Counts {
  /** Seconds in which frames were due. */
  readonly seconds: number;
  /** In the order in which they were given. */
  readonly streams: readonly StreamResult[];
  /** Of all streams; null if nothing came back. */
  readonly latency: LatencySummary | null;
  /** Null if frames were sent as fast as the queue accepted them. */
  readonly gaps: GapSummary | null;
  /** Frames received that this run had not sent. */
  readonly foreign: number;
  /** Calls of the queue that did not accept all frames. */
  readonly queueFull: number;
  /** Times that the loop had lost its CPU for more than 100 us. */
  readonly stalls: {
    /** How often. */
    readonly count: number;
    /** Microseconds. */
    readonly longestUs: number;
    /** Of the run's time, from 0 to 1. */
    readonly share: number;
  };
}

/** What is known of a run's frames where none is expected back: nothing. */
type Unreturned<T> = Omit<T, keyof typeof UNKNOWN> & { readonly [K in keyof typeof UNKNOWN]: null };
const UNKNOWN = { received: null, inFlight: null, lost: null, reordered: null, duplicates: null } as const;

/** The figures of a run whose frames are not to come back: what cannot be known is null. */
export type UnreturnedResult = Unreturned<Omit<TrialResult, 'streams'>> & {
  /** In the order in which they were given. */
  readonly streams: readonly Unreturned<StreamResult>[];
};

/** Where nothing is expected back, nothing is known to be lost. */
export const withoutReturns = (result: TrialResult): UnreturnedResult => ({
  ...result,
  ...UNKNOWN,
  streams: result.streams.map((stream) => ({ ...stream, ...UNKNOWN })),
});

/** Names of the streams, and what the counts of time are. */
export interface ResultContext {
  readonly names: readonly string[];
  readonly hz: number;
  readonly nsPerUnit: number;
}

/** The totals so far; of a trial that runs, approximately of one moment. */
export function readResult(memory: SharedMemory, context: ResultContext): TrialResult {
  const { names, hz, nsPerUnit } = context;
  const isOver = Atomics.load(new Int32Array(memory.control), PHASE) === DONE;
  // At once, before the histograms, which take a while.
  const moment = { ...memory, global: memory.global.slice(0), counters: memory.counters.slice(0) };
  const global = new Float64Array(moment.global);
  const streams = names.map((name, i) => readStream(moment, i, { name, nsPerUnit, isOver }));
  const all = names.map((_, i) => streamCounters(moment, i));
  const gaps = new HistogramView(gapCounts(memory), nsPerUnit);
  const ticks = global[G_SENT_FOR] || global[G_NOW];
  return {
    seconds: ticks / hz,
    ...sumOf(streams),
    streams,
    latency: summarize(all, totalLatency(memory, nsPerUnit), nsPerUnit),
    gaps: gapSummary(gaps, global),
    foreign: global[G_FOREIGN],
    queueFull: global[G_QUEUE_FULL],
    stalls: {
      count: global[G_STALLS],
      longestUs: (1e6 * global[G_LONGEST_STALL]) / hz,
      share: ticks === 0 ? 0 : global[G_STALL_TICKS] / ticks,
    },
  };
}

/** The latencies of all streams, in nanoseconds. */
function totalLatency(memory: SharedMemory, nsPerUnit: number): HistogramView {
  const total = new Float64Array(HISTOGRAM_BUCKETS);
  for (let i = 0; i < memory.streams; i++) addCounts(total, latencyCounts(memory, i));
  return new HistogramView(total, nsPerUnit);
}

function readStream(
  memory: SharedMemory,
  i: number,
  { name, nsPerUnit, isOver }: { name: string; nsPerUnit: number; isOver: boolean },
): StreamResult {
  const own = streamCounters(memory, i);
  const [sent, unsent] = [own[S_SENT], own[S_UNSENT]];
  const received = own[S_RECEIVED] - own[S_DUPLICATES];
  const away = Math.max(0, sent - received);
  return {
    name,
    offered: sent + unsent,
    ...{ sent, unsent, received },
    ...(isOver ? { inFlight: 0, lost: away } : { inFlight: away, lost: 0 }),
    reordered: own[S_REORDERED],
    duplicates: own[S_DUPLICATES],
    txBytes: own[S_TX_BYTES],
    rxBytes: own[S_RX_BYTES],
    latency: summarize([own], new HistogramView(latencyCounts(memory, i), nsPerUnit), nsPerUnit),
  };
}

function sumOf(streams: readonly StreamResult[]): Counts {
  const sum = (key: keyof Counts) => streams.reduce((total, stream) => total + stream[key], 0);
  return {
    ...{ offered: sum('offered'), sent: sum('sent'), unsent: sum('unsent'), received: sum('received') },
    ...{
      inFlight: sum('inFlight'),
      lost: sum('lost'),
      reordered: sum('reordered'),
      duplicates: sum('duplicates'),
    },
    ...{ txBytes: sum('txBytes'), rxBytes: sum('rxBytes') },
  };
}

/** Of the counters of a loop; null if no gap was judged. */
export function gapSummary(gaps: HistogramView, global: Float64Array): GapSummary | null {
  if (gaps.count === 0) return null;
  const undisturbed = gaps.count - global[G_GAPS_AWAY];
  const off = global[G_GAPS_OFF] - global[G_GAPS_OFF_AWAY];
  return {
    samples: gaps.count,
    medianNs: Math.round(gaps.percentile(50)),
    p99Ns: Math.round(gaps.percentile(99)),
    near: 1 - global[G_GAPS_OFF] / gaps.count,
    undisturbed,
    nearUndisturbed: undisturbed > 0 ? 1 - off / undisturbed : null,
    away: global[G_AWAYS],
  };
}
