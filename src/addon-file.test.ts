// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
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
    timeout: 20_000,
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
    expectLine(/neither a build nor a prebuilt file.* npm: .*npm 12: .*pnpm, yarn: /);
    put('build/Release/vhost_pci.node');
    expectLine(/build\/Release\/vhost_pci\.node: .*npm rebuild vhost-pci-pmd/);
  });

  const whole = () => readFileSync(findAddon(ROOT) as string);

  it('regression: that was cut short is reported, and kills no process', () => {
    const built = put('build/Release/vhost_pci.node');
    for (const length of [0, 63, 64, 20_000, whole().length - 1]) {
      writeFileSync(built, whole().subarray(0, length));
      expect(() => loadAddon(folder)).toThrow(
        /vhost_pci\.node: it (was cut short|is no shared object); install/,
      );
    }
  });

  it('regression: that is a pipe or a folder is reported, and waits for nobody', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const path of [pipe, folder]) {
      const { stderr, status } = run(
        { VHOST_PCI_ADDON: path },
        '--input-type=module',
        '--eval',
        `import '${importing}'`,
      );
      expect([stderr, status]).toEqual([
        expect.stringMatching(/: it is no shared object; VHOST_PCI_ADDON/),
        1,
      ]);
    }
  });

  it('regression: of another machine is said to be that, not to be absent', () => {
    const other = whole();
    other.writeUInt16LE(process.arch === 'x64' ? 183 : 62, 18);
    writeFileSync(put('build/Release/vhost_pci.node'), other);
    expect(() => loadAddon(folder)).toThrow(/vhost_pci\.node: it is for another machine; install/);
  });
});

describe('without an addon', () => {
  const env = { VHOST_PCI_ADDON: '/nonexistent/vhost_pci.node' };
  const line =
    /^vhost-pci-pmd: Failed to load the addon for linux-\w+: ENOENT: .*; VHOST_PCI_ADDON names it: correct or unset it\n$/;

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

  it('regression: the exit status is 1 where the line cannot be printed', () => {
    const full = openSync('/dev/full', 'w');
    const { status } = spawnSync(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', `import '${importing}'`],
      { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', full] },
    );
    closeSync(full);
    expect(status).toBe(1);
  });

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
