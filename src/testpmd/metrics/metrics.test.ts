// SPDX-License-Identifier: BSD-3-Clause
// The figures of --bitrate-stats and --latencystats: what is computed, and when.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Port } from '../../ethdev/port.ts';
import { sample } from '../fwd/latency.ts';
import { defaultSettings } from '../settings.ts';
import { BitRates, RATE_NAMES } from './bit-rates.ts';
import { LatencyStats } from './latency-stats.ts';
import { Metrics, metricsNotes } from './metrics.ts';

const SECOND = 1_000_000_000n;

/** A port whose counters a test sets. */
function port(id: number) {
  const counts = { ibytes: 0, obytes: 0 };
  return { counts, port: { id, stats: () => counts } as unknown as Port };
}

describe('bit rates', () => {
  it('are of the last second, smoothed, and the most', () => {
    const rates = new BitRates();
    const { counts, port: one } = port(0);
    counts.ibytes = 999;
    rates.begin([one], 0n);
    counts.ibytes += 1000;
    counts.obytes += 125;
    rates.update([one], SECOND);
    expect(rates.values(0)).toEqual([1600, 200, 8000, 1000, 8000, 1000]);
    counts.ibytes += 500;
    // A period that was longer is not a higher rate.
    rates.update([one], 3n * SECOND);
    expect(rates.values(0)).toEqual([1680, 160, 2000, 0, 8000, 1000]);
    expect(rates.values(7)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('fall to 0 without traffic, and begin anew where counters were cleared', () => {
    const rates = new BitRates();
    const { counts, port: one } = port(0);
    rates.begin([one], 0n);
    counts.ibytes = 5000;
    rates.update([one], SECOND);
    counts.ibytes = 10;
    rates.update([one], 2n * SECOND);
    expect(rates.values(0)[2]).toBe(80);
    for (let i = 3n; i < 80n; i++) rates.update([one], i * SECOND);
    expect(rates.values(0)).toEqual([0, 0, 0, 0, 40_000, 0]);
  });
});

describe('latency of several lcores', () => {
  it('is the extremes of all, and averages by their packets', () => {
    const latency = new LatencyStats();
    const [a, b] = [1, 2].map((lcore) => new Float64Array(latency.memoryOf(lcore)));
    expect(latency.nanoseconds(1e9)).toEqual([0, 0, 0, 0]);
    sample(a as Float64Array, 100);
    for (let i = 0; i < 3; i++) sample(b as Float64Array, 20);
    expect(latency.nanoseconds(1e9)).toEqual([20, 40, 100, 0]);
    expect(latency.nanoseconds(2e9)).toEqual([10, 20, 50, 0]);
    expect(latency.memoryOf(1)).toBe(a?.buffer);
  });
});

describe('the metrics of a session', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are none without the options', () => {
    const metrics = new Metrics(defaultSettings(), () => []);
    expect([metrics.global(), metrics.ofPort(0), metrics.latencyMemory(1)]).toEqual([[], [], undefined]);
  });

  it('change while the lcore forwards that the options name', () => {
    vi.useFakeTimers();
    const { counts, port: one } = port(0);
    const settings = { ...defaultSettings(), latencyLcore: 1, bitrateLcore: 1 };
    const metrics = new Metrics(settings, () => [one]);
    const value = (of: readonly { name: string; value: number }[], name: string) =>
      of.find((metric) => metric.name === name)?.value;
    sample(new Float64Array(metrics.latencyMemory(2) as SharedArrayBuffer), 1e6);
    metrics.begin([2]);
    counts.ibytes = 1000;
    vi.advanceTimersByTime(2000);
    expect(value(metrics.ofPort(0), 'peak_bits_in')).toBe(0);
    expect(value(metrics.global(), 'max_latency_ns')).toBe(0);
    metrics.end();
    metrics.begin([1, 2]);
    counts.ibytes = 3000;
    vi.advanceTimersByTime(1000);
    expect(value(metrics.ofPort(0), 'peak_bits_in')).toBe(16_000);
    metrics.end();
    const latency = value(metrics.global(), 'max_latency_ns');
    expect(latency).toBeGreaterThan(0);
    counts.ibytes = 9000;
    sample(new Float64Array(metrics.latencyMemory(1) as SharedArrayBuffer), 1e9);
    vi.advanceTimersByTime(5000);
    expect(value(metrics.ofPort(0), 'peak_bits_in')).toBe(16_000);
    expect(value(metrics.global(), 'max_latency_ns')).toBe(latency);
    // As in DPDK, each has a value of both kinds.
    expect(metrics.global().slice(4)).toEqual(RATE_NAMES.map((name) => ({ name, value: 0 })));
    expect(
      metrics
        .ofPort(0)
        .slice(0, 4)
        .map((metric) => metric.value),
    ).toEqual([0, 0, 0, 0]);
  });

  it('say where they run, what they cost, and whether they stay 0', () => {
    expect(metricsNotes(defaultSettings(), [1])).toEqual([]);
    const settings = { ...defaultSettings(), latencyLcore: 1, bitrateLcore: 0 };
    expect(metricsNotes(settings, [1])).toEqual([
      'Latencystats running on lcore 1',
      'Note: --latencystats: io and mac copy packets through mbufs, not from peer to peer',
      'Note: --bitrate-stats=0: its figures stay 0, as lcore 0 does not forward',
    ]);
    expect(metricsNotes({ ...settings, inPlace: false }, [0, 1])).toHaveLength(1);
  });
});
