// SPDX-License-Identifier: BSD-3-Clause
// What DPDK answers, read; and that a client that fails leaves nothing open.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { native } from '../../src/native.ts';
import type { DpdkTestpmd } from './dpdk-testpmd.ts';
import { factorOf, LatencyStatsClient, statsIn } from './latency-stats.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-latency-'));
  mkdirSync(join(folder, 'dpdk/rte'), { recursive: true });
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const open = () => {
  const testpmd = { filePrefix: 'rte', version: '24.11.0', failure: (why: string) => new Error(why) };
  return new LatencyStatsClient(testpmd as unknown as DpdkTestpmd, { folder, path: join(folder, 'own') });
};
const openFds = () => readdirSync('/proc/self/fd').length;

it('regression: leaves no descriptor when there is no socket', () => {
  const before = openFds();
  expect(open).toThrow();
  expect(openFds()).toBe(before);
});

it('regression: leaves no descriptor when nobody connects back', () => {
  const server = native.unixListen(join(folder, 'dpdk/rte/telemetry'), undefined, true);
  const patience = vi.spyOn(native, 'pollFd').mockReturnValue(false);
  const before = openFds();
  expect(open).toThrow('did not answer');
  expect(openFds()).toBe(before);
  patience.mockRestore();
  native.close(server);
});

it('reads what DPDK answers, and nothing before a frame was measured', () => {
  const answer = (max: number) =>
    `{"status_code": "Status OK: 200", "data": [{"port": -1, "stats": [{"name": "min_latency_ns", "value": 10}, {
"name": "avg_latency_ns",
 "value": 20
}, {"name": "max_latency_ns", "value": ${max}}, {"name": "jitter_ns", "value": 4}]}]}`;
  expect(statsIn(answer(40), 0.5)).toEqual({ minNs: 5, avgNs: 10, maxNs: 20, jitterNs: 2 });
  expect(statsIn(answer(0), 1)).toBeUndefined();
  expect(statsIn('{"status_code": "Status Error: Unknown", "data": null}', 1)).toBeUndefined();
});

it('mends the nanoseconds of versions that count whole cycles', () => {
  expect(factorOf('22.11.11', 2.5e9)).toBeCloseTo(0.8);
  expect(factorOf('24.11.0', 2.5e9)).toBe(1);
  expect(factorOf(undefined, 3e9)).toBe(1);
});
