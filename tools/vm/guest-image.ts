// SPDX-License-Identifier: BSD-3-Clause
// Builds the guests' kernel and root image from unpacked packages, and the modules that the first stage needs
// to reach that image.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import type { DebianArchive } from './debian.ts';
import { depmod, squash, unxz } from './host-programs.ts';
import * as recipe from './recipe.ts';

/** Increment when the code here builds a different image from the same recipe. */
export const GUEST_FORMAT = 1;

/** Fills `folder` with vmlinuz, root.squashfs and boot-modules. */
export async function buildGuest(folder: string, host: string, archive: DebianArchive): Promise<void> {
  const root = join(folder, 'tree');
  await archive.unpack(recipe.GUEST_PACKAGES, root, recipe.GUEST_UNWANTED);
  archive.remove();
  const version = kernelVersion(root);
  copyFileSync(join(root, 'boot', `vmlinuz-${version}`), join(folder, 'vmlinuz'));
  const modules = join(root, 'usr/lib/modules', version);
  for (const unused of recipe.UNUSED_MODULES) {
    rmSync(join(modules, 'kernel', unused), { recursive: true, force: true });
  }
  await depmod(host, root, version);
  await copyBootModules(host, modules, join(folder, 'boot-modules'));
  finish(root);
  await squash(host, root, join(folder, 'root.squashfs'), recipe.GUEST_EXCLUDED);
  rmSync(root, { recursive: true });
}

function kernelVersion(root: string): string {
  const [version, ...others] = readdirSync(join(root, 'usr/lib/modules'));
  if (!version || others.length > 0)
    throw new PmdError('VPCI_RIG', "Expected exactly one kernel in the guest's packages");
  return version;
}

/** Does what the packages' scripts would have done, as far as it matters here. */
function finish(root: string): void {
  for (const name of ['passwd', 'group']) {
    copyFileSync(join(root, `usr/share/base-passwd/${name}.master`), join(root, 'etc', name));
  }
}

/** Writes the modules uncompressed, and a file with their load order. */
async function copyBootModules(host: string, modules: string, folder: string): Promise<void> {
  const dependencies = parseModulesDep(readFileSync(join(modules, 'modules.dep'), 'utf8'));
  const order = loadOrder(recipe.BOOT_MODULES, dependencies);
  const plain = (file: string) => basename(file, '.xz');
  mkdirSync(folder);
  for (const file of order) await unxz(host, join(modules, file), join(folder, plain(file)));
  writeFileSync(join(folder, 'order'), order.map((file) => `${plain(file)}\n`).join(''));
}

/** Parses depmod's modules.dep: each module's file and the files it depends on, nearest first. */
export function parseModulesDep(text: string): Map<string, string[]> {
  const rows = text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(':') as [string, string]);
  return new Map(rows.map(([file, needs]) => [file, needs.split(' ').filter(Boolean)]));
}

/** The files of the modules and of all their dependencies, in load order. Built-in modules have no file. */
export function loadOrder(
  names: readonly string[],
  dependencies: ReadonlyMap<string, readonly string[]>,
): string[] {
  const order = new Set<string>();
  for (const name of names) {
    const file = [...dependencies.keys()].find((path) => moduleName(path) === name);
    if (!file) continue;
    for (const path of [...(dependencies.get(file) ?? [])].reverse()) order.add(path);
    order.add(file);
  }
  return [...order];
}

const moduleName = (path: string) =>
  basename(path)
    .replace(/\.ko.*$/, '')
    .replaceAll('-', '_');
