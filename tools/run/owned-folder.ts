// SPDX-License-Identifier: BSD-3-Clause
// Folders of temporary files. The next process removes those whose owner was killed (SIGKILL; SIGQUIT, which
// ends a program at once and leaves a core dump, as it does DPDK's). A file in each folder is locked for as
// long as the owner lives, and has its name only once it is locked: a folder without that file is left alone.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { native } from '../../src/native.ts';

export const OWNER_FILE = '.owner';
const PREFIX = 'vpci-';
/** mkdtemp(3). */
const NAME = new RegExp(`^${PREFIX}[A-Za-z0-9]{6}$`);
/** Of one start: the folders that it removes, and the time after which it looks at no further one. */
const MAX_REMOVED = 64;
const MAX_MS = 500;
const { O_RDWR, O_NOFOLLOW, O_NONBLOCK, S_IFDIR } = constants;
const STICKY = 0o1000;
const OTHERS_WRITE = 0o022;
const OURS_ALONE = 0o700;

export interface OwnedFolder {
  readonly path: string;
  /** Safe to call twice. */
  remove(): void;
}

const swept = new Set<string>();

/** Makes a folder in `parent`, once the abandoned ones there are gone. Throws what mkdtemp throws. */
export function makeOwnedFolder(parent: string): OwnedFolder {
  if (!swept.has(parent)) sweep(parent);
  swept.add(parent);
  const path = mkdtempSync(join(parent, PREFIX));
  let lock = own(path);
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
      if (lock !== null) closeSync(lock);
      lock = null;
    },
  };
}

/** The open file that keeps the folder ours; null where files cannot be locked. */
function own(folder: string): number | null {
  const draft = join(folder, `${OWNER_FILE}.new`);
  let fd: number | null = null;
  try {
    fd = openSync(draft, 'wx', 0o600);
    if (!native.lockFile(fd, 0, 1)) return fd;
    renameSync(draft, join(folder, OWNER_FILE));
  } catch {
    // Nobody will remove the folder if we are killed.
  }
  return fd;
}

/** Removes what is abandoned. A failure is none of the caller's. */
function sweep(parent: string): void {
  const end = performance.now() + MAX_MS;
  try {
    if (!isSafe(parent)) return;
    let removed = 0;
    for (const name of readdirSync(parent).filter((one) => NAME.test(one))) {
      if (performance.now() > end || removed === MAX_REMOVED) return;
      if (removeIfAbandoned(join(parent, name))) removed++;
    }
  } catch {
    // The folder cannot be read.
  }
}

/** Whether no other user can put something else in the place of our folders there. */
function isSafe(parent: string): boolean {
  const { mode, uid } = statSync(parent);
  return isTrusted(uid) && ((mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0);
}

const isOurs = (uid: number): boolean => uid === process.geteuid?.();
const isTrusted = (uid: number): boolean => uid === 0 || isOurs(uid);

function removeIfAbandoned(folder: string): boolean {
  let fd: number | null = null;
  try {
    const { mode, uid } = lstatSync(folder);
    if (!isOurs(uid) || mode !== (S_IFDIR | OURS_ALONE)) return false;
    fd = openSync(join(folder, OWNER_FILE), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    if (!native.lockFile(fd, 0, 1)) return false;
    // No link is left if another process has removed the folder meanwhile.
    const file = fstatSync(fd);
    if (!file.isFile() || !isOurs(file.uid) || file.nlink !== 1) return false;
    rmSync(folder, { recursive: true });
    return true;
  } catch {
    return false; // It is gone, or not ours to remove.
  } finally {
    if (fd !== null) closeSync(fd);
  }
}
