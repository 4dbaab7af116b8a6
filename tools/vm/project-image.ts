// SPDX-License-Identifier: BSD-3-Clause
// The image that a guest mounts at /opt/vhost-pci-pmd: the built project with its run-time dependencies, and
// this machine's Node.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import { packageRoot } from '../../src/package-root.ts';
import type { Cache } from './cache.ts';
import { squash } from './host-programs.ts';
import type { Images } from './images.ts';
import { listing } from './listing.ts';

const ADDON = 'build/Release/vhost_pci.node';
/** Files not needed at run time: type declarations, maps, sources and objects of native modules. */
const LEFT_OUT = /\.(d\.ts|map|o|a|d|cc|c|h|md|tsbuildinfo)$|\/(obj\.target|\.deps|deps)$/;

interface LockFile {
  readonly packages: Record<string, { readonly dev?: boolean; readonly optional?: boolean }>;
}

/**
 * Finds or builds the image of the project in its current state. Throws VPCI_RIG_PROJECT when the project is
 * not built.
 */
export async function prepareProjectImage(cache: Cache, images: Images): Promise<string> {
  const root = packageRoot();
  const parts = ['package.json', 'binding.gyp', ADDON, 'dist', ...runtimePackages(root)];
  for (const part of ['dist/src/testpmd/main.js', ADDON]) {
    if (!existsSync(join(root, part))) {
      throw new PmdError(
        'VPCI_RIG_PROJECT',
        `The project is not built, ${part} is missing: npm install && npm run build`,
      );
    }
  }
  const inputs = [process.execPath, ...parts.map((part) => join(root, part))].map((path) =>
    listing(path, LEFT_OUT),
  );
  const folder = await cache.entry('project', inputs, async (draft) => {
    const tree = join(draft, 'tree');
    for (const part of parts) copyPart(join(root, part), join(tree, 'app', part));
    mkdirSync(join(tree, 'bin'));
    cpSync(process.execPath, join(tree, 'bin/node'));
    for (const [name, main] of Object.entries(binaries(root)))
      symlinkSync(join('../app', main), join(tree, 'bin', name));
    await squash(images.host, tree, join(draft, 'project.squashfs'));
    rmSync(tree, { recursive: true });
  });
  return join(folder, 'project.squashfs');
}

/** The installed run-time packages of package-lock.json, as folders below node_modules. */
function runtimePackages(root: string): string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile;
  const wanted = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && !entry.dev);
  const installed = wanted.map(([path]) => path).filter((path) => existsSync(join(root, path)));
  // A nested package is copied with the outer one.
  return installed.filter((path) => !installed.some((other) => path.startsWith(`${other}/`)));
}

function binaries(root: string): Record<string, string> {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string> })
    .bin;
}

function copyPart(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true, filter: (path) => !LEFT_OUT.test(path) });
}
