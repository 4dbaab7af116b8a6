// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native.ts';

const example = fileURLToPath(new URL('./forward.ts', import.meta.url));
const root = dirname(dirname(dirname(example)));

async function run(args: string[], interruptAfter?: string): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', example, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  let interrupted = false;
  child.stdout.on('data', (data) => {
    out += data;
    // Once: a second one would end it by the signal.
    if (interrupted || !interruptAfter || !out.includes(interruptAfter)) return;
    interrupted = true;
    child.kill('SIGINT');
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out };
}

describe.skipIf(!native.getAffinity().includes(1))('the forwarding example', () => {
  it('has at most 40 lines', () => {
    expect(readFileSync(example, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(40);
  });

  it('forwards between two ports for its time', async () => {
    const { code, out } = await run(['2.5', 'net_null0', 'net_null1']);
    expect(code).toBe(0);
    expect(out).toMatch(/forwarded [1-9]\d*, dropped 0\n/);
  });

  it('forwards back out of one port until interrupted', async () => {
    const { code, out } = await run(['30', 'net_null0'], 'forwarded');
    expect(code).toBe(0);
    expect(out).toMatch(/forwarded \d+, dropped 0\n/);
  });
});
