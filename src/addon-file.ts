// SPDX-License-Identifier: BSD-3-Clause
// Finds and loads the addon: the build in the package's folder if there is one, else the prebuilt file for
// this machine's architecture and C library, in node-gyp-build's layout. Neither needs an install script.
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { PmdError } from './errors.ts';
import { packageRoot } from './package-root.ts';

const require = createRequire(import.meta.url);

const REMEDY =
  'install g++, make and python3, then build it. ' +
  'npm: npm rebuild vhost-pci-pmd. ' +
  'npm 12: npm approve-scripts vhost-pci-pmd && npm rebuild vhost-pci-pmd. ' +
  'pnpm: pnpm approve-builds vhost-pci-pmd && pnpm rebuild vhost-pci-pmd. ' +
  'yarn 1: yarn install --force. ' +
  'yarn 4: yarn config set enableScripts true && yarn rebuild vhost-pci-pmd. ' +
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
  const path = process.env.VHOST_PCI_ADDON || findAddon(root);
  try {
    if (path === undefined) throw new Error('the package has neither a build nor a prebuilt file for it');
    return require(path);
  } catch (cause) {
    const machine = `${process.platform}-${process.arch}`;
    const [reason] = (cause as Error).message.split('\n');
    throw printedAlone(
      new PmdError(
        'VPCI_NO_ADDON',
        `vhost-pci-pmd: Failed to load the addon for ${machine}: ${reason}; ${REMEDY}`,
        {
          cause,
        },
      ),
    );
  }
}

/** If nothing catches the error of the import, the process prints its message alone, and exits with 1. */
function printedAlone(error: PmdError): PmdError {
  if (!isMainThread) return error;
  const print = (uncaught: unknown) => {
    if (uncaught !== error || process.listenerCount('uncaughtException') > 1) throw uncaught;
    writeSync(process.stderr.fd, `${error.message}\n`);
    process.exit(1);
  };
  process.once('uncaughtException', print);
  // An import fails before the next turn of the event loop; later errors are none of ours.
  setImmediate(() => process.off('uncaughtException', print)).unref();
  return error;
}
