// SPDX-License-Identifier: BSD-3-Clause
// What npm publishes: complete, small, and without what only a clone needs. Needs dist/, as npm ci leaves it.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodeArguments, ROOT } from './support/program.ts';

interface Packed {
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
};

function run(command: string, ...args: string[]) {
  const { stdout, stderr, status } = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')}: ${stderr}`);
  return stdout;
}

describe('the packed package', () => {
  const [packed] = JSON.parse(run('npm', 'pack', '--dry-run', '--ignore-scripts', '--json')) as Packed[];
  const files = packed?.files ?? [];
  const paths = new Set(files.map(({ path }) => path));
  const text = (path: string) => readFileSync(join(ROOT, path), 'utf8');

  it('has the programs, the types, the documents and the sources of the addon', () => {
    for (const path of [...Object.values(manifest.bin), 'dist/src/index.js', 'dist/src/index.d.ts'])
      expect(paths, path).toContain(path);
    for (const path of ['CHANGELOG.md', 'LICENSE', 'README.md', 'binding.gyp', 'addon/binding/module.cc'])
      expect(paths, path).toContain(path);
  });

  it('has no tests, no tools of a clone, no build information and no source maps', () => {
    const extra =
      /\.test\b|\.test-help\b|tsbuildinfo|\.map$|\.mjs$|^(test|src|tools\/(?!examples\/)|build|node_modules)\/|\/vm\//;
    expect([...paths].filter((path) => extra.test(path))).toEqual([]);
    const scripts = [...paths].filter((path) => path.endsWith('.js'));
    expect(scripts.length).toBeGreaterThan(100);
    expect(scripts.filter((path) => text(path).includes('sourceMappingURL'))).toEqual([]);
  });

  it('has every file that one of its files imports', () => {
    const missing = [...paths]
      .filter((path) => path.startsWith('dist/'))
      .flatMap((path) =>
        [...text(path).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, target = '']) =>
          join(dirname(path), path.endsWith('.d.ts') ? target.replace(/\.ts$/, '.d.ts') : target),
        ),
      )
      .filter((path) => !paths.has(path));
    expect(missing).toEqual([]);
  });

  it('unpacks to at most 3.3 MB besides its prebuilt addons', () => {
    const bytes = files
      .filter(({ path }) => !path.startsWith('prebuilds/'))
      .reduce((sum, { size }) => sum + size, 0);
    expect(bytes).toBeLessThan(3.3e6);
  });
});

describe('the package', () => {
  it.each(Object.entries(manifest.bin))('%s says its version', (name, main) => {
    const source = main.replace(/^dist\//, '').replace(/\.js$/, '.ts');
    expect(existsSync(join(ROOT, source))).toBe(true);
    expect(run(process.execPath, ...nodeArguments(source), '--version')).toBe(
      `${name} ${manifest.version}\n`,
    );
  });

  it.each([
    ['import', ['--input-type=module', '-e', `console.log(typeof (await import('vhost-pci-pmd')).openPort)`]],
    ['require', ['--input-type=commonjs', '-e', `console.log(typeof require('vhost-pci-pmd').openPort)`]],
  ])('can be had by %s', (_, args) => {
    expect(run(process.execPath, ...args)).toBe('function\n');
  });

  it('depends on nothing that its installation would compile on x64', () => {
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Readonly<Record<string, { readonly hasInstallScript?: boolean; readonly dev?: boolean }>>;
    };
    const scripted = Object.entries(lock.packages).filter(
      ([path, { hasInstallScript, dev }]) => path !== '' && hasInstallScript && !dev,
    );
    const expected = ['@makeomatic/ref-napi', 'ffi-napi', 'ref-napi'].map((name) => `node_modules/${name}`);
    expect(scripted.map(([path]) => path)).toEqual(expected);
    for (const [path] of scripted)
      expect(existsSync(join(ROOT, path, 'prebuilds/linux-x64')), path).toBe(true);
  });

  it('lets others read its package.json', () => {
    const code = `console.log(require('vhost-pci-pmd/package.json').version)`;
    expect(run(process.execPath, '--input-type=commonjs', '-e', code)).toBe(`${manifest.version}\n`);
  });
});
