// SPDX-License-Identifier: BSD-3-Clause
// Names, sizes and times of files: enough to detect a change in a folder without reading the files.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** One line per file at or below `path`, except those whose path matches `leftOut`. */
export function listing(path: string, leftOut?: RegExp): string[] {
  if (leftOut?.test(path)) return [];
  const stat = statSync(path);
  if (!stat.isDirectory()) return [`${path} ${stat.size} ${stat.mtimeMs}`];
  return readdirSync(path)
    .sort()
    .flatMap((name) => listing(join(path, name), leftOut));
}
