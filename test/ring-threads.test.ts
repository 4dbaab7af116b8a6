// SPDX-License-Identifier: BSD-3-Clause
// Driver role, device role and a thread that stops queues, under ThreadSanitizer (test/ring/races.cc).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { programMissing } from './support/program-missing.ts';

it.skipIf(programMissing('clang++', 'clang libclang-rt-14-dev', 'thread tests of the ring engine'))(
  'the ring engine has no data race between driver, device and the thread that stops them',
  { timeout: 300_000 },
  () => {
    const folder = fileURLToPath(new URL('./ring', import.meta.url));
    const run = spawnSync('make', ['-s', '-C', folder, 'tsan'], { encoding: 'utf8' });
    expect(run.status, `${run.stdout}\n${run.stderr}`).toBe(0);
    expect(run.stdout).toMatch(/^[1-9]\d* passed, 0 failed$/m);
  },
);
