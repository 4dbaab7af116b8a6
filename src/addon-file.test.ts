// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findAddon, loadAddon } from './addon-file.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  bin: Record<string, string>;
};
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'addon-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function put(file: string): string {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, 'no shared object');
  return path;
}

const prebuilt = (libc: string, arch: string = process.arch) =>
  put(`prebuilds/linux-${arch}/vhost-pci-pmd.${libc}.node`);

const importing = pathToFileURL(join(ROOT, 'src/native.ts')).href;

const run = (env: Record<string, string>, ...args: string[]) =>
  spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });

describe('the addon of a package', () => {
  it('is the prebuilt file for this architecture and C library', () => {
    prebuilt('glibc', 'riscv64');
    expect(findAddon(folder)).toBeUndefined();
    const [glibc, musl] = [prebuilt('glibc'), prebuilt('musl')];
    expect(findAddon(folder)).toBe(existsSync('/etc/alpine-release') ? musl : glibc);
  });

  it('is its own build where there is one', () => {
    prebuilt('glibc');
    prebuilt('musl');
    const built = put('build/Release/vhost_pci.node');
    expect(findAddon(folder)).toBe(built);
  });

  it('that is missing or broken is reported in one line, with what to type for each package manager', () => {
    const load = () => loadAddon(folder);
    const expectLine = (cause: RegExp) =>
      expect(load).toThrow(
        expect.objectContaining({
          name: 'PmdError',
          code: 'VPCI_NO_ADDON',
          message: expect.stringMatching(cause),
        }),
      );
    expectLine(/neither a build nor a prebuilt file.* npm: .*npm 12: .*pnpm: .*yarn 1: .*yarn 4: /);
    put('build/Release/vhost_pci.node');
    expectLine(/build\/Release\/vhost_pci\.node: .*npm rebuild vhost-pci-pmd/);
  });
});

describe('without an addon', () => {
  const env = { VHOST_PCI_ADDON: '/nonexistent/vhost_pci.node' };
  const line = /^vhost-pci-pmd: Failed to load the addon for linux-\w+: Cannot find module .*\n$/;

  // devbind needs none.
  const programs = Object.entries(bin).filter(([name]) => name !== 'vhost-pci-devbind');
  it.each(programs)('%s prints that line and exits with 1', (_, main) => {
    const source = join(ROOT, main.replace(/^dist\//, '').replace(/\.js$/, '.ts'));
    const { stdout, stderr, status } = run(env, source, '--version');
    expect([stdout, stderr, status]).toEqual(['', expect.stringMatching(line), 1]);
  });

  it.each([`import '${importing}'`, `await import('${importing}')`])(
    '%s prints that line and exits with 1',
    (code) => {
      const { stdout, stderr, status } = run(env, '--input-type=module', '--eval', code);
      expect([stdout, stderr, status]).toEqual(['', expect.stringMatching(line), 1]);
    },
  );

  it('an import that is caught gives a PmdError, and later errors are as always', () => {
    const code = `
      const error = await import('${importing}').catch((error) => error);
      console.log(error.code);
      setTimeout(() => { throw new Error('of the application'); }, 10);`;
    const { stdout, stderr, status } = run(env, '--input-type=module', '--eval', code);
    expect([stdout, status]).toEqual(['VPCI_NO_ADDON\n', 1]);
    expect(stderr).toMatch(/Error: of the application\n {4}at /);
  });
});
