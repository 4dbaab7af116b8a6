// SPDX-License-Identifier: BSD-3-Clause
// What is to be sent, and how fast: compiled streams, and their rates in frames per second.

import { type CompiledStream, compileStream, type Macs } from './plan/compile.ts';
import { fault } from './plan/fault.ts';
import { framesPerSecond, parseRate, type Rate } from './plan/rate.ts';
import { checkStreams, type Stream } from './plan/stream.ts';

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
  readonly #rates: readonly (Rate | undefined)[];
  readonly #line: number;
  #shared: Rate;

  /** `rates` are those of streams that have one of their own, `shared` is that of the others. */
  constructor(
    streams: readonly CompiledStream[],
    rates: readonly (Rate | undefined)[],
    { where, line, rate }: Pick<WorkloadOptions, 'where' | 'line' | 'rate'>,
  ) {
    this.streams = streams;
    this.#rates = rates;
    this.#line = line;
    this.#shared = parseRate(rate, 'rate');
    const maxima = this.#rates.filter((own) => (own ?? this.#shared).kind === 'max').length;
    if (maxima > 0 && maxima < streams.length)
      throw fault(where || 'rate', "'max' leaves nothing for other streams: give it to all or to none");
  }

  /** Throws VPCI_ARGUMENT, in one line that names stream and key. */
  static of(streams: readonly Stream[], options: WorkloadOptions): Workload {
    const { where, macs, seed } = options;
    checkStreams(streams, where);
    const place = (i: number) => (where === '' ? '' : `${where}: stream ${i}: `);
    const compiled = streams.map((stream, i) => compileStream(stream, i, macs, place(i), seed));
    const rates = streams.map((stream, i) =>
      stream.rate === undefined ? undefined : parseRate(stream.rate, `${place(i)}rate`),
    );
    return new Workload(compiled, rates, options);
  }

  /** Whether a rate is a share of the maximum, which has to be measured first. */
  get needsMaximum(): boolean {
    return [...this.#rates, this.#shared].some((rate) => rate?.kind === 'share');
  }

  /** Mean bytes of a frame when the streams have these rates. */
  meanSizeAt(pps: readonly number[]): number {
    const weights = pps.every(Number.isFinite) ? pps : pps.map(() => 1);
    const bytes = this.streams.reduce((sum, { meanSize }, i) => sum + meanSize * (weights[i] as number), 0);
    return bytes / weights.reduce((sum, weight) => sum + weight, 0);
  }

  /** Another rate for the streams without one of their own. */
  setRate(rate: string | number): void {
    this.#shared = parseRate(rate, 'rate');
  }

  /** Frames per second of each stream; Infinity for 'max'. `measured` is the maximum of all streams. */
  pps(measured = 0): number[] {
    const sharing = this.#rates.filter((rate) => rate === undefined).length;
    return this.streams.map(({ meanSize }, i) => {
      const own = this.#rates[i];
      const context = { meanSize, line: this.#line, measured };
      return framesPerSecond(own ?? this.#shared, context) / (own ? 1 : sharing);
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

/** As many frames as the queues accept. */
export const flatOut = (streams: readonly unknown[]): number[] => streams.map(() => Number.POSITIVE_INFINITY);
