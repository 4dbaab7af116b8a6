// SPDX-License-Identifier: BSD-3-Clause
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runCell } from './cell.ts';
import { MANAGERS, type Manager } from './managers.ts';

let folder = '';
let log = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cell-'));
  log = '';
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Installs a package whose parts do what the test says. */
const INSTALLER = `
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
if (process.argv[2] === 'exec') {
  const [program, ...words] = process.argv.slice(process.argv.indexOf('--') + 1);
  process.exit(spawnSync('node_modules/.bin/' + program, words, { stdio: 'inherit' }).status);
}
const home = 'node_modules/vhost-pci-pmd';
const start = home + '/dist/tools/start';
for (const path of [start, 'node_modules/.bin']) mkdirSync(path, { recursive: true });
const parts = JSON.parse(process.argv.at(-1));
writeFileSync(home + '/package.json', '{ "name": "vhost-pci-pmd", "type": "module", "exports": "./index.js" }');
writeFileSync(home + '/index.js', parts.import);
writeFileSync(start + '/main.js', parts.traffic);
for (const path of parts.compiled ?? []) {
  mkdirSync(home + '/build');
  writeFileSync(home + '/build/' + path, '');
}
const bin = 'node_modules/.bin/vhost-pci-testpmd';
writeFileSync(bin, '#!/usr/bin/env node\\n' + parts.version, { mode: 0o755 });
`;

const GOOD = {
  version: `console.log('vhost-pci-testpmd 0.1.0')`,
  import: `export const openPort = () => ({ info: { driver: 'net_null' }, close() {} })`,
  traffic: `process.exit(process.argv[2] === '--duration=3' ? 0 : 1)`,
};

function verdict(installer: string, parts: Partial<typeof GOOD> & { compiled?: string[] } = {}): string {
  const program = join(folder, 'manager.mjs');
  writeFileSync(program, installer);
  const manager: Manager = {
    ...(MANAGERS[0] as Manager),
    install: () => ['add', JSON.stringify({ ...GOOD, ...parts })],
  };
  const result = runCell({
    ...{ manager, program, folder, node: process.execPath, scripts: false, tarball: '', seconds: 3 },
    log: (text) => {
      log += text;
    },
  });
  expect(existsSync(join(folder, "it's my app"))).toBe(false);
  return result.verdict;
}

it('a cell is good when installation, program, import and traffic are', () => {
  expect([verdict(INSTALLER), log]).toEqual(['ok', '']);
});

it.each([
  ['--version', { version: `console.error('VPCI_NO_ADDON'); process.exit(1)` }],
  ['import', { import: `throw new Error('broken')` }],
  ['traffic', { traffic: `process.exit(1)` }],
])('a cell names what fails: %s', (name, parts) => {
  expect(verdict(INSTALLER, parts)).toBe(name);
  expect(log).not.toBe('');
});

it('a cell is not good where the installation compiled something', () => {
  expect(verdict(INSTALLER, { compiled: ['vhost_pci.node'] })).toBe('compiled');
});

it('a cell tells a failed installation from a manager that does not know this Node', () => {
  expect(verdict(`console.error('no such package'); process.exit(1);`)).toBe('install');
  expect(log).toContain('no such package');
  const npm12 = 'npm v12.2.2 does not support Node.js v20.20.2.';
  expect(verdict(`console.error('${npm12}'); process.exit(1);`)).toBe('unsupported');
});

it('every manager installs the tarball, and leaves scripts out where it is told to', () => {
  for (const { install, files } of MANAGERS) {
    const told = [true, false].map((scripts) => [...install('/a/b.tgz', scripts), files(scripts)]);
    expect(told.map((words) => JSON.stringify(words).includes('/a/b.tgz'))).toEqual([true, true]);
    expect(told[0]).not.toEqual(told[1]);
  }
});
