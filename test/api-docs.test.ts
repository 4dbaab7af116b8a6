// SPDX-License-Identifier: BSD-3-Clause
// What docs/api.md shows works as printed, in a project of its own beside the package.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { native } from '../src/native.ts';
import { ROOT } from './support/program.ts';

const text = readFileSync(join(ROOT, 'docs/api.md'), 'utf8');
const require = createRequire(import.meta.url);
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'app-'));
  mkdirSync(join(folder, 'node_modules'));
  // As npm install of a folder and of the development dependencies leaves it.
  symlinkSync(ROOT, join(folder, 'node_modules/vhost-pci-pmd'));
  for (const name of ['tsx', 'typescript', '@types'])
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'count', type: 'module' }));
  writeFileSync(join(folder, 'count.ts'), /```ts\n([\s\S]*?)```/.exec(text)?.[1] ?? '');
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (script: string, ...args: string[]) =>
  spawnSync(process.execPath, [script, ...args], { cwd: folder, encoding: 'utf8' });

const counted = (text: string): boolean => /^[1-9]\d* packets$/m.test(text);

describe('docs/api.md', () => {
  it.skipIf(!native.getAffinity().includes(0))('prints an application that runs', async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'count.ts', 'net_null0'], { cwd: folder });
    let stdout = '';
    child.stdout.on('data', (data) => {
      // Once: a second one would end it by the signal.
      const before = counted(stdout);
      stdout += data;
      if (!before && counted(stdout)) child.kill('SIGINT');
    });
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    await once(child, 'close');
    expect([stderr, child.exitCode, counted(stdout)]).toEqual(['', 0, true]);
  });

  it('prints an application that compiles', () => {
    const options = ['--module', 'nodenext', '--strict', '--noEmit', '--types', 'node'];
    const { stdout, status } = run(require.resolve('typescript/bin/tsc'), ...options, 'count.ts');
    expect([stdout, status]).toEqual(['', 0]);
  });

  it('names codes of errors that there are', () => {
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => readFileSync(join(ROOT, 'src', file), 'utf8'))
      .join('\n');
    for (const [, code] of text.matchAll(/`(VPCI_[A-Z_]+)`/g)) expect(sources).toContain(`'${code}'`);
  });
});
