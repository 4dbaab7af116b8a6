// SPDX-License-Identifier: BSD-3-Clause
// How a child process runs a program of this tree: the build if dist/ is as new as the sources, because it
// starts in a third of the time; else the source, so that a test never runs outdated code.
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Written by each build that changes a file of dist/. */
const BUILT = join(ROOT, 'dist', '.tsbuildinfo');

const modified = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function newestSource(): number {
  const sources = ['src', 'tools'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => modified(join(ROOT, folder, file))),
  );
  return Math.max(...sources);
}

const distIsNew = modified(BUILT) > newestSource();

/** The arguments of node that run `source`, a file below src/, tools/ or test/, relative to the root. */
export function nodeArguments(source: string): string[] {
  if (distIsNew && /^(src|tools)\//.test(source)) return [join(ROOT, 'dist', source.replace(/\.ts$/, '.js'))];
  return ['--import', import.meta.resolve('tsx'), join(ROOT, source)];
}
