// SPDX-License-Identifier: BSD-3-Clause
// Finds and loads the addon: the build in the package's folder if there is one, else the prebuilt file for
// this machine's architecture and C library, in node-gyp-build's layout. Neither needs an install script.
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { PmdError } from './errors.ts';
import { packageRoot } from './package-root.ts';

const require = createRequire(import.meta.url);

// npm also builds for pnpm and yarn: pnpm 10 approves builds only by dialogue, pnpm 12 does not rebuild what
// came from a file, and yarn 4 installs a node-gyp that needs a newer Node. pnpm's folder is a link (-P).
const REMEDY =
  'install g++, make and python3, then build it. ' +
  'npm: npm rebuild vhost-pci-pmd. ' +
  'npm 12: npm approve-scripts vhost-pci-pmd && npm rebuild vhost-pci-pmd. ' +
  'pnpm, yarn: (cd -P node_modules/vhost-pci-pmd && npm run install). ' +
  'In a clone: npm run build:addon.';

/** The path of the addon in a package's folder; undefined if it has none for this machine. */
export function findAddon(root: string): string | undefined {
  const { path } = require('node-gyp-build') as { path: (folder: string) => string };
  try {
    return path(root);
  } catch {
    return undefined;
  }
}

/**
 * The addon's exports. VHOST_PCI_ADDON names another file. Throws VPCI_NO_ADDON with what to type, whichever
 * package manager installed us; as the end of a program, that line is all it prints.
 */
export function loadAddon(root: string = packageRoot()): unknown {
  const named = process.env.VHOST_PCI_ADDON;
  try {
    const path = named ? resolve(named) : findAddon(root);
    if (path === undefined) throw new Error('the package has neither a build nor a prebuilt file for it');
    refuseDamaged(path);
    return require(path);
  } catch (cause) {
    const machine = `${process.platform}-${process.arch}`;
    const [reason] = (cause as Error).message.split('\n');
    const remedy = named ? 'VHOST_PCI_ADDON names it: correct or unset it' : REMEDY;
    throw printedAlone(
      new PmdError(
        'VPCI_NO_ADDON',
        `vhost-pci-pmd: Failed to load the addon for ${machine}: ${reason}; ${remedy}`,
        {
          cause,
        },
      ),
    );
  }
}

/** ELF-64, little-endian: offsets in the file header, and e_machine of the architectures that we know. */
const ELF = {
  HEADER: 64,
  MAGIC: 0x7f45_4c46,
  MACHINE: 18,
  SECTIONS: 40,
  SECTION_SIZE: 58,
  SECTION_COUNT: 60,
};
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

/**
 * Throws where the dynamic linker would mislead or kill: it maps a file that was cut short as if it were
 * whole (SIGBUS), and says of another machine's file that it does not exist. The section headers are the end
 * of an ELF file.
 */
function refuseDamaged(path: string): void {
  const machine = MACHINES[process.arch];
  if (machine === undefined) return;
  const header = new DataView(new ArrayBuffer(ELF.HEADER));
  // Opening a pipe to read would wait for a writer.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) throw new Error(`${path}: it is no shared object`);
    const read = readSync(fd, header, 0, ELF.HEADER, 0);
    if (read < ELF.HEADER || header.getUint32(0) !== ELF.MAGIC)
      throw new Error(`${path}: it is no shared object`);
    if (header.getUint16(ELF.MACHINE, true) !== machine)
      throw new Error(`${path}: it is for another machine`);
    const sections = header.getUint16(ELF.SECTION_COUNT, true) * header.getUint16(ELF.SECTION_SIZE, true);
    if (header.getBigUint64(ELF.SECTIONS, true) + BigInt(sections) > BigInt(fstatSync(fd).size))
      throw new Error(`${path}: it was cut short`);
  } finally {
    closeSync(fd);
  }
}

/** If nothing catches the error of the import, the process prints its message alone, and exits with 1. */
function printedAlone(error: PmdError): PmdError {
  if (!isMainThread) return error;
  const print = (uncaught: unknown) => {
    if (uncaught !== error || process.listenerCount('uncaughtException') > 1) throw uncaught;
    try {
      writeSync(process.stderr.fd, `${error.message}\n`);
    } catch {
      // Nobody can be told: a full disk, a closed pipe.
    }
    process.exit(1);
  };
  process.once('uncaughtException', print);
  // An import fails before the next turn of the event loop; later errors are none of ours.
  setImmediate(() => process.off('uncaughtException', print)).unref();
  return error;
}
