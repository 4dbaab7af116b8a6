// SPDX-License-Identifier: BSD-3-Clause
// Locates programs: those on the PATH, and our own, which run from the tree (TypeScript) or from dist
// (JavaScript) depending on where this file runs from.
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Main modules of our commands, without extension, relative to this folder. */
const MAINS = {
  'vhost-pci-device': '../device/main',
  'vhost-pci-peer': '../peer/main',
  'vhost-pci-pktgen': '../pktgen/main',
  'vhost-pci-testpmd': '../../src/testpmd/main',
} as const;

export type OurProgram = keyof typeof MAINS;

/** The start of a command line that runs one of our programs with the Node that runs this process. */
export function ourProgram(name: OurProgram): string[] {
  const extension = extname(new URL(import.meta.url).pathname);
  const main = fileURLToPath(new URL(`${MAINS[name]}${extension}`, import.meta.url));
  const loader = extension === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
  return [process.execPath, ...loader, main];
}

/** The start of a command line that pins all threads of the program to one CPU, or to none. */
export const onCpu = (cpu: number | undefined): string[] =>
  cpu === undefined ? [] : ['taskset', '--cpu-list', `${cpu}`];

/** The full path of a program on the PATH, or undefined. */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
