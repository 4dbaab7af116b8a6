// SPDX-License-Identifier: BSD-3-Clause
// Reads a whole command file, within bounds. It may be a regular file or a pipe, as in `--cmdline-file=<(echo
// start)`; other kinds of files need not have an end.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { codeOf, PmdError } from '../../errors.ts';

export const MAX_FILE_BYTES = 1 << 20;
/** Maximum characters of a command line, in a file or on the prompt's pipe. */
export const MAX_LINE = 4096;

const NO_FILE = 'it is neither a regular file nor a pipe';

/**
 * Returns the lines of the file. Throws a PmdError that says what is wrong with it, VPCI_ABORTED if `signal`
 * was aborted first.
 */
export async function readCommandFile(path: string, signal: AbortSignal): Promise<string[]> {
  // Opening a pipe that has no writer must not block.
  const fd = openFile(path);
  const stat = fstatSync(fd);
  if (stat.isFIFO()) return lines(await readPipe(fd, signal));
  try {
    if (!stat.isFile()) throw fault(NO_FILE);
    return lines(readRegular(fd));
  } finally {
    closeSync(fd);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error, 'EIO');
    if (code === 'ENXIO') throw fault(NO_FILE);
    throw new PmdError(code, (error as Error).message.replace(/, open .*$/s, ''));
  }
}

/** Does not rely on the size from stat(2): files in /proc and /sys report 0. */
function readRegular(fd: number): Buffer {
  const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
  let filled = 0;
  while (filled < bytes.length) {
    const read = readSync(fd, bytes, filled, bytes.length - filled, null);
    if (read === 0) return bytes.subarray(0, filled);
    filled += read;
  }
  throw tooLarge();
}

/** Takes ownership of `fd`. */
function readPipe(fd: number, signal: AbortSignal): Promise<Buffer> {
  const pipe = new Socket({ fd, readable: true, writable: false, signal });
  const parts: Buffer[] = [];
  let filled = 0;
  return new Promise((resolve, reject) => {
    pipe.on('data', (part: Buffer) => {
      parts.push(part);
      filled += part.length;
      if (filled > MAX_FILE_BYTES) pipe.destroy(tooLarge());
    });
    pipe.once('end', () => resolve(Buffer.concat(parts)));
    pipe.once('error', (error) =>
      reject(signal.aborted ? new PmdError('VPCI_ABORTED', 'interrupted') : error),
    );
  });
}

function lines(bytes: Buffer): string[] {
  if (bytes.includes(0)) throw fault('it is not a text file');
  const all = bytes.toString('utf8').split('\n');
  const long = all.findIndex((line) => line.length > MAX_LINE);
  if (long >= 0) throw fault(`line ${long + 1} has more than ${MAX_LINE} characters`);
  return all;
}

const tooLarge = () => fault(`it has more than ${MAX_FILE_BYTES} bytes`);

function fault(cause: string): PmdError {
  return new PmdError('VPCI_COMMAND_FILE', cause);
}
