// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('ten million packets through rx, macswap and tx allocate nothing on the JavaScript heap', {
  timeout: 120_000,
}, () => {
  const script = fileURLToPath(new URL('./support/zero-garbage-loop.ts', import.meta.url));
  const run = spawnSync(process.execPath, ['--expose-gc', '--import', 'tsx', script], { encoding: 'utf8' });
  expect(run.status, run.stderr).toBe(0);
  const result = JSON.parse(run.stdout);
  expect(result.packets).toBeGreaterThanOrEqual(10_000_000);
  expect(result.received).toBeGreaterThanOrEqual(12_000_000 - 64);
  expect(result.bad).toBe(0);
  expect(result.available).toBe(1024);
  // The measurement itself leaves a few kilobytes; one small object per burst would be five megabytes.
  expect(result.growth).toBeLessThan(65_536);
});
