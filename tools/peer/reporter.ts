// SPDX-License-Identifier: BSD-3-Clause
// Statistics on stdout: a line each period, while frames pass, and the totals.
import type { Histogram } from 'node:perf_hooks';
import { standardOutput } from '../../src/output/text-writer.ts';
import { bucketsOf, latencyLine, summarize } from './latency.ts';
import { type PeerStats, periodLine, totals } from './stats.ts';
import { Stillness } from './stillness.ts';

export interface ReporterOptions {
  readonly json?: true | undefined;
  /** Seconds; without it, only the totals are printed. */
  readonly statsPeriod?: number | undefined;
}

/** Prints statistics every period, in the requested form. */
export class Reporter {
  readonly #json: boolean;
  readonly #periodMs: number;
  readonly #histogram: Histogram | undefined;
  readonly #stillness = new Stillness();
  #before: PeerStats;
  #last = performance.now();

  constructor(options: ReporterOptions, stats: PeerStats, histogram: Histogram | undefined) {
    this.#histogram = histogram;
    this.#json = options.json ?? false;
    this.#periodMs = 1000 * (options.statsPeriod ?? Number.POSITIVE_INFINITY);
    this.#before = stats;
  }

  /** Milliseconds until it prints; Infinity if it does not. */
  get dueIn(): number {
    return this.#last + this.#periodMs - performance.now();
  }

  /** `isUp`: a connection that is lost has been reported as such. */
  poll(read: () => PeerStats, isUp: boolean): void {
    const now = performance.now();
    if (now - this.#last < this.#periodMs) return;
    const stats = read();
    const elapsed = (now - this.#last) / 1000;
    const { shown, told } = this.#stillness.take(stats, this.#before, elapsed);
    if (shown || this.#json)
      this.#print({ seconds: elapsed, ...stats }, periodLine(stats, this.#before, elapsed));
    if (told !== undefined && isUp && !this.#json) standardOutput().stderr.line(told);
    this.#before = stats;
    this.#last = now;
  }

  summary(stats: PeerStats): void {
    const buckets = this.#histogram ? { latencyBuckets: bucketsOf(this.#histogram) } : {};
    this.#print({ final: true, ...stats, ...buckets }, `total   ${totals(stats)}`);
  }

  #print(stats: object, text: string): void {
    const histogram = this.#histogram;
    const latency = histogram ? summarize(histogram) : null;
    const { stdout } = standardOutput();
    if (!this.#json) stdout.line(histogram ? `${text}\n${latencyLine(latency)}` : text);
    else stdout.line(JSON.stringify(histogram ? { ...stats, latency } : stats));
  }
}
