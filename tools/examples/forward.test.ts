// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native.ts';

const example = fileURLToPath(new URL('./forward.ts', import.meta.url));
const root = dirname(dirname(dirname(example)));

interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

async function run(args: string[], interruptAfter?: RegExp, program = example): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stderr.on('data', (data) => {
    err += data;
  });
  let interrupted = false;
  child.stdout.on('data', (data) => {
    out += data;
    // Only once: a second signal would kill it.
    if (interrupted || !interruptAfter?.test(out)) return;
    interrupted = true;
    child.kill('SIGINT');
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, err };
}

describe.skipIf(!native.getAffinity().includes(0))('the forwarding example', () => {
  it('fits a screen', () => {
    expect(readFileSync(example, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(45);
  });

  it.each([
    ['no argument', [], 'usage: forward.ts SECONDS DEVICE [DEVICE]'],
    ['no device', ['1'], 'usage: '],
    ['no number of seconds', ['net_null0', 'net_null1'], 'usage: '],
    ['a third device', ['1', 'net_null0', 'net_null1', 'net_null2'], 'usage: '],
    ['an unknown device', ['1', 'net_foo0'], "no driver 'net_foo'"],
    ['a missing second device', ['1', 'net_null0', 'net_vhost_pci0,path=/nonexistent'], 'no such socket'],
  ])('regression: reports %s in one line', async (_what, args, says) => {
    const { code, err } = await run(args);
    expect(code).toBe(1);
    expect(err).toMatch(/^forward\.ts: .*\n$/);
    expect(err).toContain(says);
  });

  it('ends after the given time', async () => {
    expect(await run(['0.5', 'net_null0', 'net_null1'])).toMatchObject({ code: 0, err: '' });
  });

  it.each([
    ['between two ports', ['net_null0', 'net_null1']],
    ['back out of one port', ['net_null0']],
  ])('forwards %s until interrupted', async (_what, devices) => {
    const { code, out } = await run(['60', ...devices], /forwarded [1-9]/);
    expect(code).toBe(0);
    expect(out).toMatch(/forwarded [1-9]\d*, dropped 0\n/);
  });

  it.each([
    ['commonjs', 'ts'],
    ['commonjs', 'mts'],
    ['module', 'ts'],
  ])('regression: runs in a project of type %s as a file .%s', async (type, extension) => {
    const folder = mkdtempSync(join(tmpdir(), 'forward-'));
    try {
      mkdirSync(join(folder, 'node_modules'));
      symlinkSync(root, join(folder, 'node_modules/vhost-pci-pmd'));
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
      const copy = join(folder, `forward.${extension}`);
      copyFileSync(example, copy);
      expect(await run(['60', 'net_null0'], /forwarded [1-9]/, copy)).toMatchObject({ code: 0, err: '' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
