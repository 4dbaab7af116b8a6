// SPDX-License-Identifier: BSD-3-Clause
// A file that is written whole or not at all: what was there stays if the disk is full.
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { failedTo, PmdError } from '../../src/errors.ts';
import { openToWrite } from '../../src/user-file.ts';

/** There is no room: writing in place would only lose what is there. */
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO']);

/**
 * Writes a file beside `path`, which it then replaces; permissions and links to it stay. A device, a file
 * that is open here, as one that the shell redirects to, and one that cannot be replaced, as in a folder
 * that is not ours, are written in place. Throws one line that names the file.
 */
export function writeWhole(path: string, text: string): void {
  const bytes = Buffer.from(text);
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status !== undefined && (!status.isFile() || isOpenHere(status))) writeInPlace(path, bytes);
    else replace(path, bytes, status);
  } catch (error) {
    throw error instanceof PmdError ? error : failedTo(`write ${path}`, error);
  }
}

function replace(path: string, bytes: Uint8Array, old: Stats | undefined): void {
  const target = old === undefined ? path : realpathSync(path);
  // A name that nobody can have guessed, as for a link to something else.
  const draft = join(dirname(target), `.${randomUUID()}.part`);
  try {
    writeDraft(draft, bytes, old);
    renameSync(draft, target);
  } catch (error) {
    discard(draft);
    if (FULL.has((error as NodeJS.ErrnoException).code)) throw error;
    writeInPlace(path, bytes);
  }
}

function writeDraft(draft: string, bytes: Uint8Array, old: Stats | undefined): void {
  const fd = openSync(draft, 'wx');
  try {
    if (old !== undefined) {
      fchownSync(fd, old.uid, old.gid);
      fchmodSync(fd, old.mode & 0o777);
    }
    writeAll(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

function writeInPlace(path: string, bytes: Uint8Array): void {
  const fd = openToWrite(path, 'w', `write ${path}`);
  try {
    writeAll(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function isOpenHere({ dev, ino }: Stats): boolean {
  const fds = '/proc/self/fd';
  return readdirSync(fds).some((fd) => {
    const status = statSync(join(fds, fd), { throwIfNoEntry: false });
    return status?.dev === dev && status.ino === ino;
  });
}

/** Only an error that was there before is worth a word. */
function discard(draft: string): void {
  try {
    rmSync(draft, { force: true });
  } catch {}
}
