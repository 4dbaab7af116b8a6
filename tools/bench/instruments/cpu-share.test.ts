// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { CpuMeter, waitForQuiet } from './cpu-share.ts';

it('reports the share of the busiest thread and the total of all threads', () => {
  let times = new Map([
    ['main', 5e6],
    ['poll', 0],
  ]);
  let now = 1000;
  const meter = new CpuMeter(
    1,
    () => times,
    () => now,
  );
  now += 100;
  times = new Map([
    ['main', 15e6],
    ['poll', 95e6],
    ['new', 20e6],
  ]);
  expect(meter.share()).toBeCloseTo(0.95);
  expect(meter.total()).toBeCloseTo(1.25);
});

it('reads what the kernel reports about a process', () => {
  const meter = new CpuMeter(process.pid);
  const before = process.cpuUsage();
  while (process.cpuUsage(before).user < 20_000);
  expect(meter.share()).toBeGreaterThan(0);
});

it('a process that is gone has no share', () => {
  const gone = new CpuMeter(2 ** 30);
  expect([gone.share(), gone.total()]).toEqual([undefined, undefined]);
});

it('waiting for a quiet machine is bounded', async () => {
  const start = performance.now();
  await waitForQuiet(1);
  expect(performance.now() - start).toBeLessThan(60_000);
});
