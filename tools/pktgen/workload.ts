// SPDX-License-Identifier: BSD-3-Clause
// What is to be sent, and how fast: compiled streams, and their rates in frames per second.

import { PmdError } from '../../src/errors.ts';
import { type CompiledStream, compileStream, type Macs } from './plan/compile.ts';
import { fault, wordsOf } from './plan/fault.ts';
import { framesPerSecond, parseRate, type Rate, requireCarried } from './plan/rate.ts';
import { checkStreams, placeOf, type Stream } from './plan/stream.ts';

export interface WorkloadOptions {
  /** Frames or bits per second of all streams that have no rate of their own, in equal parts. */
  readonly rate: string | number;
  /** Bits per second that '%' is of. */
  readonly line: number;
  /** Begins messages: "streams.json", "--streams". */
  readonly where: string;
  readonly macs: Macs;
  readonly seed: number;
}

export class Workload {
  readonly streams: readonly CompiledStream[];
  readonly #rates: (Rate | undefined)[];
  readonly #line: number;
  readonly #where: string;
  #shared: Rate;
  /**
   * Into how many parts the shared rate goes: a stream that gets a rate of its own leaves the others theirs.
   */
  #parts: number;
  /** Frames per second of all streams at the most, once that was measured; else 0. */
  maximum = 0;

  /** `rates` are those of streams that have one of their own, `shared` is that of the others. */
  constructor(
    streams: readonly CompiledStream[],
    rates: readonly (Rate | undefined)[],
    { where, line, rate }: Pick<WorkloadOptions, 'where' | 'line' | 'rate'>,
  ) {
    this.streams = streams;
    this.#rates = [...rates];
    this.#line = line;
    this.#where = where;
    this.#shared = parseRate(rate, 'rate');
    this.#parts = this.sharing.length;
    requireTogether(this.#rates, this.#shared, where || 'rate');
  }

  /** Throws VPCI_ARGUMENT, in one line that names stream and key. */
  static of(streams: readonly Stream[], options: WorkloadOptions): Workload {
    try {
      return Workload.#of(streams, options);
    } catch (error) {
      // What a module exports may throw wherever it is looked at.
      if (error instanceof PmdError) throw error;
      throw fault(options.where === '' ? 'streams' : options.where, wordsOf(error));
    }
  }

  static #of(streams: readonly Stream[], options: WorkloadOptions): Workload {
    const { where, macs, seed } = options;
    checkStreams(streams, where);
    const place = (i: number) => (where === '' ? '' : `${where}: ${placeOf(streams[i], i)}: `);
    const compiled = streams.map((stream, i) => compileStream(stream, i, macs, place(i), seed));
    const rates = streams.map((stream, i) =>
      stream.rate === undefined ? undefined : parseRate(stream.rate, `${place(i)}rate`),
    );
    return new Workload(compiled, rates, options);
  }

  /** What was made of the streams that their descriptions do not say. */
  get notes(): string[] {
    return this.streams.flatMap(({ note }) => note ?? []);
  }

  /** Whether a rate is a share of the maximum, which has to be measured first. */
  get needsMaximum(): boolean {
    return [...this.#rates, this.#shared].some((rate) => rate?.kind === 'share');
  }

  /**
   * For a search: a stream with a `count` would end the trials, and few frames say nothing of a rate. Throws
   * VPCI_ARGUMENT, in one line that names the stream.
   */
  requireEndless(): void {
    const i = this.streams.findIndex(({ plan }) => Number.isFinite(plan.count));
    if (i < 0) return;
    const { name } = this.streams[i] as CompiledStream;
    const stream = `stream ${i}${name === String(i) ? '' : ` (${name})`}`;
    const place = this.#where === '' ? stream : `${this.#where}: ${stream}`;
    throw fault(`${place}: count`, 'not with a search, whose trials have a length');
  }

  /** "64 bytes", or "354 bytes on average", when the streams have these rates. */
  sizeTextAt(pps: readonly number[]): string {
    const [first] = this.streams;
    const alike = this.streams.every(
      ({ meanSize, largest }) => meanSize === first?.largest && largest === meanSize,
    );
    return `${Math.round(this.meanSizeAt(pps))} bytes${alike ? '' : ' on average'}`;
  }

  /** Mean bytes of a frame when the streams have these rates. */
  meanSizeAt(pps: readonly number[]): number {
    const weights = pps.every(Number.isFinite) ? pps : pps.map(() => 1);
    const bytes = this.streams.reduce((sum, { meanSize }, i) => sum + meanSize * (weights[i] as number), 0);
    return bytes / weights.reduce((sum, weight) => sum + weight, 0);
  }

  /**
   * Another rate for one stream, or for all without one of their own. Throws VPCI_ARGUMENT, and changes
   * nothing then.
   */
  setRate(rate: string | number, stream?: number): void {
    const parsed = parseRate(rate, 'rate');
    if (parsed.kind === 'share' && this.maximum === 0)
      throw fault('rate', `'${rate}': the maximum was not measured`);
    const shared = stream === undefined ? parsed : this.#shared;
    const rates = this.#rates.map((own, i) => (i === stream ? parsed : own));
    if (stream === undefined && rates.every((own) => own !== undefined))
      throw fault('rate', 'every stream has a rate of its own: name one');
    requireTogether(rates, shared, 'rate');
    this.#shared = shared;
    if (stream === undefined) this.#parts = this.sharing.length;
    else this.#rates[stream] = parsed;
  }

  /** The streams without a rate of their own. */
  get sharing(): number[] {
    return this.#rates.flatMap((rate, i) => (rate === undefined ? [i] : []));
  }

  /** Frames per second of each stream; Infinity for 'max'. `measured` is the maximum of all streams. */
  pps(measured = this.maximum): number[] {
    return this.streams.map(({ meanSize }, i) => {
      const own = this.#rates[i];
      const context = { meanSize, line: this.#line, measured };
      return framesPerSecond(own ?? this.#shared, context) / (own ? 1 : this.#parts);
    });
  }

  /** All streams at `total` frames per second, in the proportions of their rates. */
  scaled(total: number): number[] {
    const pps = this.pps(1);
    const sum = pps.reduce((all, one) => all + one, 0);
    const even = !Number.isFinite(sum);
    return pps.map((one) => (even ? total / pps.length : (total * one) / sum));
  }
}

function requireTogether(rates: readonly (Rate | undefined)[], shared: Rate, what: string): void {
  const own = rates.filter((rate) => rate !== undefined);
  requireCarried(own.length < rates.length ? [...own, shared] : own, what);
  const maxima = rates.filter((own) => (own ?? shared).kind === 'max').length;
  if (maxima > 0 && maxima < rates.length)
    throw fault(what, "'max' leaves nothing for other streams: give it to all or to none");
}

/** As many frames as the queues accept. */
export const flatOut = (streams: readonly unknown[]): number[] => streams.map(() => Number.POSITIVE_INFINITY);
