// SPDX-License-Identifier: BSD-3-Clause
// How a worker thread runs TypeScript: by tsx if the application has it, else by Node, which strips types
// itself since 22.18.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PmdError } from '../errors.ts';

/** True if this Node runs TypeScript without a loader. */
export const nodeStripsTypes = (): boolean =>
  Boolean((process.features as { readonly typescript?: unknown }).typescript);

export const isTypescript = (url: string): boolean => /\.[cm]?ts$/.test(new URL(url).pathname);

/**
 * JavaScript that a thread runs before it imports `module`, the URL of a TypeScript file; empty if Node needs
 * none. tsx is looked for where each of `places`, URLs of files, would import it from. Throws
 * VPCI_LCORE_MODULE if nothing here runs TypeScript.
 */
export function typescriptLoader(module: string, places: readonly string[], strips: boolean): string {
  const manifest = places.map(tsxManifest).find((path) => path !== undefined);
  if (manifest !== undefined) return registerTsx(dirname(manifest));
  if (strips) return '';
  throw new PmdError(
    'VPCI_LCORE_MODULE',
    `Failed to run ${module}: Node ${process.versions.node} does not run TypeScript: install tsx (npm install tsx), or use Node 22.18 or later`,
  );
}

function tsxManifest(place: string): string | undefined {
  try {
    return createRequire(place).resolve('tsx/package.json');
  } catch {
    return undefined;
  }
}

function registerTsx(folder: string): string {
  const api = (kind: string) =>
    JSON.stringify(pathToFileURL(join(folder, 'dist', kind, 'api', 'index.mjs')).href);
  return (
    `import { register as esm } from ${api('esm')}; import { register as cjs } from ${api('cjs')};` +
    ' cjs(); esm();'
  );
}
