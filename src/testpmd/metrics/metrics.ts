// SPDX-License-Identifier: BSD-3-Clause
// What DPDK's metrics library has of testpmd: figures beside the ports' own statistics, of all ports or of
// one. As in DPDK, they change while the lcore that the option names forwards, and stay when it stops.
import type { Port } from '../../ethdev/port.ts';
import { native } from '../../native.ts';
import type { Settings } from '../settings.ts';
import { BitRates, RATE_NAMES } from './bit-rates.ts';
import { LATENCY_NAMES, LatencyStats } from './latency-stats.ts';

const PERIOD_MS = 1000;

export interface Metric {
  readonly name: string;
  readonly value: number;
}

export class Metrics {
  readonly #settings: Settings;
  readonly #ports: () => readonly Port[];
  readonly #latencyStats = new LatencyStats();
  readonly #rates = new BitRates();
  #latency: readonly number[] = LATENCY_NAMES.map(() => 0);
  #lcores: readonly number[] = [];
  #timer: NodeJS.Timeout | null = null;

  /** `ports` returns those that are open. */
  constructor(settings: Settings, ports: () => readonly Port[]) {
    this.#settings = settings;
    this.#ports = ports;
  }

  /** Where an lcore measures how long packets take; undefined: it does not. */
  latencyMemory(lcore: number): SharedArrayBuffer | undefined {
    return this.#settings.latencyLcore === null ? undefined : this.#latencyStats.memoryOf(lcore);
  }

  /** These lcores forward now. */
  begin(lcores: readonly number[]): void {
    this.#lcores = lcores;
    const { bitrateLcore } = this.#settings;
    if (this.#timer !== null || bitrateLcore === null || !lcores.includes(bitrateLcore)) return;
    this.#rates.begin(this.#ports(), process.hrtime.bigint());
    this.#timer = setInterval(() => this.#rates.update(this.#ports(), process.hrtime.bigint()), PERIOD_MS);
    this.#timer.unref();
  }

  /** They do no longer. */
  end(): void {
    this.#refresh();
    this.#lcores = [];
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Of the process as a whole. */
  global(): Metric[] {
    this.#refresh();
    return this.#named(this.#latency, []);
  }

  ofPort(port: number): Metric[] {
    return this.#named([], this.#rates.values(port));
  }

  #refresh(): void {
    const { latencyLcore } = this.#settings;
    if (latencyLcore !== null && this.#lcores.includes(latencyLcore))
      this.#latency = this.#latencyStats.nanoseconds(native.tscTickHz());
  }

  /** Every metric has both a global value and one for each port; the one that it has not is 0. */
  #named(latency: readonly number[], rates: readonly number[]): Metric[] {
    const { latencyLcore, bitrateLcore } = this.#settings;
    const of = (names: readonly string[], values: readonly number[]) =>
      names.map((name, i) => ({ name, value: values[i] ?? 0 }));
    return [
      ...(latencyLcore === null ? [] : of(LATENCY_NAMES, latency)),
      ...(bitrateLcore === null ? [] : of(RATE_NAMES, rates)),
    ];
  }
}

/** What to say at the start of a run with such figures; as testpmd does, and where nothing would come. */
export function metricsNotes(settings: Settings, forwarding: readonly number[]): string[] {
  const { latencyLcore, bitrateLcore, inPlace } = settings;
  const idle = (name: string, lcore: number | null) =>
    lcore === null || forwarding.includes(lcore)
      ? []
      : [`Note: --${name}=${lcore}: its figures stay 0, as lcore ${lcore} does not forward`];
  return [
    ...(latencyLcore === null ? [] : [`Latencystats running on lcore ${latencyLcore}`]),
    ...(latencyLcore === null || !inPlace
      ? []
      : ['Note: --latencystats: io and mac copy packets through mbufs, not from peer to peer']),
    ...idle('latencystats', latencyLcore),
    ...idle('bitrate-stats', bitrateLcore),
  ];
}
