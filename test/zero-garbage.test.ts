// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it.each([
  ['plain', 'rx, macswap and tx', {}],
  ['soft', 'filters, hash, flow rules and tags in software', { marked: 12_000_000 }],
  ['latency', 'the measurement of their latency', { measured: 12_000_000 }],
])(
  'ten million packets allocate nothing on the JavaScript heap: %s, through %s',
  {
    timeout: 120_000,
  },
  (mode, _, counted) => {
    const script = fileURLToPath(new URL('./support/zero-garbage-loop.ts', import.meta.url));
    // Compiled in the loop's own thread: on a busy machine another would not be done when counting begins.
    const flags = ['--expose-gc', '--no-concurrent-recompilation', '--import', 'tsx'];
    const run = spawnSync(process.execPath, [...flags, script, mode], { encoding: 'utf8' });
    expect(run.status, run.stderr).toBe(0);
    const result = JSON.parse(run.stdout);
    expect(result).toMatchObject({ bad: 0, available: 1024, ...counted });
    expect(result.packets).toBeGreaterThanOrEqual(10_000_000);
    expect(result.received).toBeGreaterThanOrEqual(12_000_000 - 64);
    // The measurement itself leaves a few kilobytes; one small object per burst would be five megabytes.
    expect(result.growth).toBeLessThan(65_536);
  },
);
