// SPDX-License-Identifier: BSD-3-Clause
// The ring engine without Node, under AddressSanitizer and UndefinedBehaviorSanitizer (test/ring).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('the ring engine passes its behaviour and hostile-peer tests under ASan and UBSan', {
  timeout: 300_000,
}, () => {
  const folder = fileURLToPath(new URL('./ring', import.meta.url));
  const run = spawnSync('make', ['-s', '-C', folder, 'check'], { encoding: 'utf8' });
  expect(run.status, `${run.stdout}\n${run.stderr}`).toBe(0);
  expect(run.stdout).toMatch(/^[1-9]\d* passed, 0 failed$/m);
});
