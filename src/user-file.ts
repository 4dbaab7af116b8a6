// SPDX-License-Identifier: BSD-3-Clause
// Files that a user names, to read or to write. Whatever the name turns out to be, opening it does not block,
// and reading it ends: a FIFO waits for its other end, a device may have no end.
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { failedTo, PmdError } from './errors.ts';

const MIB = 1 << 20;

/** "a FIFO" */
export function kindOf(status: Stats): string {
  if (status.isDirectory()) return 'a directory';
  if (status.isFile()) return 'a file';
  if (status.isFIFO()) return 'a FIFO';
  return status.isSocket() ? 'a socket' : 'a device';
}

/** Opens a file to read; the caller closes it. Throws one line that names the file. */
export function openToRead(path: string, action = `open ${path}`): number {
  try {
    const status = statSync(path);
    if (!status.isFile()) throw noFile(status);
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw failedTo(action, error);
  }
}

/**
 * The text of a file, which takes `most` bytes at the most: who reads a file whole sees no signal meanwhile.
 * Throws one line that names the file, EFBIG where it is larger.
 */
export function readText(path: string, most: number): string {
  const action = `read ${path}`;
  const fd = openToRead(path, action);
  try {
    return readAtMost(fd, most).toString('utf8');
  } catch (error) {
    throw failedTo(action, error);
  } finally {
    closeSync(fd);
  }
}

/** The size that the kernel states is not that of every file: those of /proc have none. */
function readAtMost(fd: number, most: number): Buffer {
  const tooLarge = () =>
    Object.assign(new Error(`it is larger than ${most / MIB} MiB, which is the limit`), { code: 'EFBIG' });
  if (fstatSync(fd).size > most) throw tooLarge();
  const pieces: Buffer[] = [];
  const piece = Buffer.allocUnsafe(MIB);
  for (let left = most; ; ) {
    const length = readSync(fd, piece);
    if (length === 0) return Buffer.concat(pieces);
    left -= length;
    if (left < 0) throw tooLarge();
    pieces.push(Buffer.from(piece.subarray(0, length)));
  }
}

/**
 * Makes a folder and those above it, where they are missing. Throws one line that names it. Node's own way
 * (mkdir with `recursive`) never returns where the system answers ENOENT for a folder that is there, as below
 * /proc.
 */
export function makeFolder(path: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.push(at);
  try {
    for (const folder of missing.reverse()) {
      try {
        mkdirSync(folder, { mode });
      } catch (error) {
        // Another process was faster.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
    const status = statSync(path);
    if (!status.isDirectory()) throw new Error(`it is ${kindOf(status)}, not a directory`);
  } catch (error) {
    throw failedTo(`create ${path}`, error);
  }
}

const WRITE = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK;
const START = {
  w: constants.O_TRUNC,
  wx: constants.O_EXCL,
  a: constants.O_APPEND,
  kept: 0,
} as const;

/**
 * Makes a file, with "wx" only where there is none, with "a" writes behind what is there, with "kept" leaves
 * what is there to the caller; the caller closes it. Devices that take bytes are as good: /dev/null is.
 * Throws one line that names the file.
 */
export function openToWrite(
  path: string,
  flags: keyof typeof START = 'w',
  action = `create ${path}`,
  mode = 0o666,
): number {
  try {
    requireTaker(path);
    return openSync(path, WRITE | START[flags], mode);
  } catch (error) {
    throw failedTo(action, error);
  }
}

/** Throws where `what` cannot be written to a file: better before the work than after it. */
export function requireWritable(path: string, what: string): void {
  if (path === '') throw new PmdError('VPCI_USAGE', `Failed to write ${what}: the name is empty`);
  try {
    requireTaker(path);
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
  } catch (error) {
    throw failedTo(`write ${path}`, error);
  }
}

function requireTaker(path: string): void {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status && !status.isFile() && !status.isCharacterDevice()) throw noFile(status);
}

const noFile = (status: Stats) =>
  Object.assign(new Error(`it is ${kindOf(status)}, not a file`), { code: 'VPCI_NO_FILE' });
