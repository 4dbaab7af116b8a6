// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { CpuMeter, waitForQuiet } from './cpu-share.ts';

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

it('a thread that sleeps has less of its CPU than one that spins', async () => {
  const idle = new CpuMeter(process.pid);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const asleep = idle.share() as number;
  const busy = new CpuMeter(process.pid);
  spin(200);
  expect(busy.share()).toBeGreaterThan(asleep);
});

it('a process uses as much as its threads together', () => {
  const meter = new CpuMeter(process.pid);
  spin(50);
  expect(meter.total()).toBeGreaterThanOrEqual(meter.share() as number);
});

it('a process that is gone has no share', () => {
  const gone = new CpuMeter(2 ** 30);
  expect([gone.share(), gone.total()]).toEqual([undefined, undefined]);
});

it('waiting for a quiet machine has a bound', async () => {
  const start = performance.now();
  await waitForQuiet(1);
  expect(performance.now() - start).toBeLessThan(5000);
});
