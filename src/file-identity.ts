// SPDX-License-Identifier: BSD-3-Clause
// Whether two names are of one file, which may not be there yet.
import { readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** As the kernel follows (MAXSYMLINKS, include/linux/namei.h). */
const MOST_LINKS = 40;

/** Undefined where there is no such file, or no way to it. */
export function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** The same text for each name of a file; links are followed, also to where a file is yet to be made. */
export function fileIdentity(path: string): string {
  const status = statusOf(path);
  return status ? `${status.dev}:${status.ino}` : placeOf(path, MOST_LINKS);
}

function placeOf(path: string, links: number): string {
  const folder = realFolder(dirname(resolve(path)));
  const place = join(folder, basename(path));
  try {
    return links > 0 ? placeOf(resolve(folder, readlinkSync(place)), links - 1) : place;
  } catch {
    return place;
  }
}

function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
