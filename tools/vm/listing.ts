// SPDX-License-Identifier: BSD-3-Clause
// Names, sizes and times of files: what tells one state of a folder from another without reading it.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** One line for each file at or below `path`, without those whose path matches `leftOut`. */
export function listing(path: string, leftOut?: RegExp): string[] {
  if (leftOut?.test(path)) return [];
  const stat = statSync(path);
  if (!stat.isDirectory()) return [`${path} ${stat.size} ${stat.mtimeMs}`];
  return readdirSync(path)
    .sort()
    .flatMap((name) => listing(join(path, name), leftOut));
}
