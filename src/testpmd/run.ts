// SPDX-License-Identifier: BSD-3-Clause
// A run of forwarding, from `start` to the next one: its streams, what they have counted, and the statistics
// that are made of it.
import type { Port } from '../ethdev/port.ts';
import { native } from '../native.ts';
import { BURST_COUNTS } from './fwd/burst-stats.ts';
import {
  STREAM_BAD_IP,
  STREAM_BAD_L4,
  STREAM_BAD_OUTER_IP,
  STREAM_BAD_OUTER_L4,
  STREAM_CYCLES,
  STREAM_DROPPED,
  STREAM_RX,
  STREAM_STRIDE,
  STREAM_TX,
} from './fwd/engine.ts';
import { NOTHING, type PortCounts, portCounts, statsSince, txErrors } from './port-counts.ts';
import type { Settings } from './settings.ts';
import type { LcoreStreams, Stream } from './streams.ts';
import { fwdStatsText, type StreamCounts } from './text/fwd-text.ts';

export class Run {
  readonly mode: string;
  readonly ports: readonly Port[];
  #lcores: readonly LcoreStreams[];
  #counters: Float64Array;
  /** BURST_COUNTS for each stream; null until they are recorded. */
  #bursts: Float64Array | null = null;
  /** Time-stamp counter at the start. */
  readonly #startTsc = native.rdtsc();
  /** Port counters at the start, by port id. */
  readonly #baseline: Map<number, PortCounts>;
  /**
   * Drop counters of the TX queues at the end, since the ports may have different queues by now. Null while
   * running.
   */
  #txErrors: Map<number, readonly number[]> | null = null;

  constructor(mode: string, ports: readonly Port[], lcores: readonly LcoreStreams[]) {
    this.mode = mode;
    this.ports = [...ports];
    this.#lcores = lcores;
    this.#counters = rows(streamsOf(lcores).length, STREAM_STRIDE);
    this.#baseline = new Map(ports.map((port) => [port.id, portCounts(port)]));
  }

  get lcores(): readonly LcoreStreams[] {
    return this.#lcores;
  }

  /** STREAM_STRIDE counters for each stream. */
  get counters(): SharedArrayBuffer {
    return this.#counters.buffer as SharedArrayBuffer;
  }

  /** From now on the sizes of bursts are counted too, here. */
  recordBursts(): SharedArrayBuffer {
    this.#bursts ??= rows(streamsOf(this.#lcores).length, BURST_COUNTS);
    return this.#bursts.buffer as SharedArrayBuffer;
  }

  /** Its streams are on these lcores from now on, each with its counters. */
  moveTo(lcores: readonly LcoreStreams[]): void {
    const key = (stream: Stream) => `${stream.rxPort} ${stream.rxQueue} ${stream.txPort} ${stream.txQueue}`;
    const [before, after] = [this.#lcores, lcores].map((of) => streamsOf(of).map(key));
    const from = after.map((name) => before.indexOf(name));
    this.#lcores = lcores;
    this.#counters = rearranged(this.#counters, STREAM_STRIDE, from);
    this.#bursts &&= rearranged(this.#bursts, BURST_COUNTS, from);
  }

  /** Its lcores have ended. */
  ended(): void {
    this.#txErrors = new Map(this.ports.map((port) => [port.id, txErrors(port)]));
  }

  clear(): void {
    this.#counters.fill(0);
    this.#bursts?.fill(0);
    for (const port of this.ports) {
      this.#baseline.set(port.id, portCounts(port));
      this.#txErrors?.delete(port.id);
    }
  }

  /** The counters of a port have been cleared. */
  portCleared(port: Port): void {
    if (!this.ports.includes(port)) return;
    this.#baseline.set(port.id, NOTHING);
    this.#txErrors?.delete(port.id);
  }

  /** TSC cycles of one of its lcores, those on packets only with record-core-cycles. */
  lcoreUsage(id: number): { total: number; busy: number } | undefined {
    if (!this.#lcores.some(({ lcore }) => lcore === id)) return undefined;
    const lcoreOf = this.#lcores.flatMap(({ lcore, streams }) => streams.map(() => lcore));
    const busy = lcoreOf.reduce((sum, lcore, i) => sum + (lcore === id ? this.#at(i, STREAM_CYCLES) : 0), 0);
    return { total: native.rdtsc() - this.#startTsc, busy };
  }

  /** Forward statistics. */
  statsText(settings: Settings): string {
    const streams = this.#streamCounts(settings);
    const counts = this.ports.map((port) => ({
      id: port.id,
      stats: statsSince(port.stats(), (this.#baseline.get(port.id) ?? NOTHING).stats),
      dropped: streams.filter((s) => s.stream.txPort === port.id).reduce((sum, s) => sum + s.dropped, 0),
    }));
    return fwdStatsText(streams, counts, this.#cycles(settings), settings.mode === 'csum');
  }

  #at(stream: number, counter: number): number {
    return this.#counters[stream * STREAM_STRIDE + counter];
  }

  #streamCounts({ recordBursts }: Settings): StreamCounts[] {
    // Read before the streams' own counters, which are updated only when a burst returns.
    const errors = new Map(this.ports.map((port) => [port.id, this.#errorsOf(port)]));
    const bursts = recordBursts ? this.#bursts : null;
    return streamsOf(this.#lcores).map((stream, i) => {
      const taken = this.#at(i, STREAM_TX);
      // A TX queue has exactly one stream, so its drops are that stream's.
      const lost = Math.min(taken, errors.get(stream.txPort)?.[stream.txQueue] ?? 0);
      return {
        stream,
        rx: this.#at(i, STREAM_RX),
        tx: taken - lost,
        dropped: this.#at(i, STREAM_DROPPED) + lost,
        badIp: this.#at(i, STREAM_BAD_IP),
        badL4: this.#at(i, STREAM_BAD_L4),
        badOuterIp: this.#at(i, STREAM_BAD_OUTER_IP),
        badOuterL4: this.#at(i, STREAM_BAD_OUTER_L4),
        bursts: bursts?.subarray(i * BURST_COUNTS, (i + 1) * BURST_COUNTS) ?? null,
      };
    });
  }

  /** Packets that the port's TX queues have dropped in this run. */
  #errorsOf(port: Port): number[] {
    const now = this.#txErrors === null ? txErrors(port) : (this.#txErrors.get(port.id) ?? []);
    const before = this.#baseline.get(port.id)?.txErrors ?? [];
    return now.map((count, queue) => count - (before[queue] ?? 0));
  }

  #cycles({ recordCycles }: Settings) {
    if (!recordCycles) return null;
    const cycles = streamsOf(this.#lcores).reduce((sum, _, i) => sum + this.#at(i, STREAM_CYCLES), 0);
    return { mode: this.mode, cycles, tscHz: native.tscHz() };
  }
}

/** The statistics of ports that have not forwarded yet. */
export function noStatsText(ports: readonly Port[], { mode }: Settings): string {
  const counts = ports.map(({ id }) => ({ id, stats: NOTHING.stats, dropped: 0 }));
  return fwdStatsText([], counts, null, mode === 'csum');
}

const streamsOf = (lcores: readonly LcoreStreams[]): Stream[] => lcores.flatMap(({ streams }) => streams);

const rows = (count: number, length: number): Float64Array =>
  new Float64Array(new SharedArrayBuffer(count * length * Float64Array.BYTES_PER_ELEMENT));

/** The same numbers in rows of that length, each from another row. */
function rearranged(numbers: Float64Array, length: number, from: readonly number[]): Float64Array {
  if (from.every((row, i) => row === i)) return numbers;
  const copy = new Float64Array(new SharedArrayBuffer(numbers.byteLength));
  for (const [i, row] of from.entries())
    copy.set(numbers.subarray(row * length, (row + 1) * length), i * length);
  return copy;
}
