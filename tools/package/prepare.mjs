// SPDX-License-Identifier: BSD-3-Clause
// What npm runs in a clone after `npm ci` and before `npm pack`: compiles TypeScript to dist/, and brings an
// addon that was built before up to date. JavaScript, since it runs before anything is compiled.
//
// Where development dependencies are left out (--omit=dev, NODE_ENV=production, a clone that nothing was
// installed in) it compiles in a temporary folder that has them.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOURCES = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'src', 'tools'];

function run(folder, command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: folder, stdio: 'inherit' });
  if (error || status !== 0) throw error ?? new Error(`${[command, ...args].join(' ')} failed`);
}

const build = (folder) => run(folder, 'npm', 'run', 'build');

function buildElsewhere() {
  const folder = mkdtempSync(join(tmpdir(), 'vhost-pci-pmd-'));
  try {
    for (const name of SOURCES) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    run(folder, 'npm', 'ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund');
    build(folder);
    rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
    cpSync(join(folder, 'dist'), join(ROOT, 'dist'), { recursive: true });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const HAS_COMPILER = ['typescript', '@types/node'].every((name) =>
  existsSync(join(ROOT, 'node_modules', name)),
);
try {
  if (HAS_COMPILER) build(ROOT);
  else buildElsewhere();
  // The install script builds only what cannot be loaded.
  if (existsSync(join(ROOT, 'build/Makefile'))) run(ROOT, 'npm', 'run', 'build:addon');
} catch (error) {
  console.error(`prepare: ${error.message}`);
  process.exitCode = 1;
}
