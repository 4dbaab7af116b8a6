// SPDX-License-Identifier: BSD-3-Clause
// --bitrate-stats: bits a second of each port, as DPDK's bitrate library has them: of the last second (mean),
// smoothed (ewma), and the most so far (peak).
import type { Port } from '../../ethdev/port.ts';

/** DPDK's names, in its order. */
export const RATE_NAMES = [
  ...['ewma_bits_in', 'ewma_bits_out'],
  ...['mean_bits_in', 'mean_bits_out'],
  ...['peak_bits_in', 'peak_bits_out'],
];

/** How much of the difference to the last second goes into the smoothed rate. */
const WEIGHT = 0.2;
const NS = 1e9;

/** One direction of a port. */
class Rate {
  ewma = 0;
  mean = 0;
  peak = 0;
  #bytes = 0;

  begin(bytes: number): void {
    this.#bytes = bytes;
  }

  /** Counters that were cleared meanwhile began again at 0. */
  update(bytes: number, seconds: number): void {
    const more = bytes < this.#bytes ? bytes : bytes - this.#bytes;
    this.#bytes = bytes;
    this.mean = Math.round((more * 8) / seconds);
    this.peak = Math.max(this.peak, this.mean);
    const change = WEIGHT * (this.mean - this.ewma);
    this.ewma += Math.sign(change) * Math.round(Math.abs(change));
    // In whole bits a second, the smoothed rate would stop short of 0.
    if (this.mean === 0 && Math.abs(change) < 0.5) this.ewma = 0;
  }
}

interface PortRates {
  readonly in: Rate;
  readonly out: Rate;
}

export class BitRates {
  readonly #ports = new Map<number, PortRates>();
  #time = 0n;

  /** Counts from now on. `now` is in nanoseconds. */
  begin(ports: readonly Port[], now: bigint): void {
    this.#time = now;
    for (const port of ports) {
      const { ibytes, obytes } = port.stats();
      const rates = this.#of(port.id);
      rates.in.begin(ibytes);
      rates.out.begin(obytes);
    }
  }

  /** To be called each second; a call that is late costs no accuracy. */
  update(ports: readonly Port[], now: bigint): void {
    const seconds = Number(now - this.#time) / NS;
    if (seconds <= 0) return;
    this.#time = now;
    for (const port of ports) {
      const { ibytes, obytes } = port.stats();
      const rates = this.#of(port.id);
      rates.in.update(ibytes, seconds);
      rates.out.update(obytes, seconds);
    }
  }

  /** In the order of RATE_NAMES. */
  values(port: number): number[] {
    const rates = this.#ports.get(port);
    if (!rates) return RATE_NAMES.map(() => 0);
    return (['ewma', 'mean', 'peak'] as const).flatMap((what) => [rates.in[what], rates.out[what]]);
  }

  #of(port: number): PortRates {
    const rates = this.#ports.get(port) ?? { in: new Rate(), out: new Rate() };
    this.#ports.set(port, rates);
    return rates;
  }
}
