// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { fed } from './fed.ts';

it('regression: a child that is killed while text is written to it fails no run', async () => {
  const child = fed(spawn('sleep', ['60'], { stdio: ['pipe', 'ignore', 'ignore'] }));
  let written: Error | null | undefined;
  child.stdin.write('x'.repeat(8 << 20), (error) => {
    written = error;
  });
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(written).toMatchObject({ code: 'EPIPE' });
});
