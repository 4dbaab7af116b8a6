// SPDX-License-Identifier: BSD-3-Clause
// Figures that took long to measure are not lost to a full disk or a closed pipe.
import { constants, fstatSync, readFileSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failedTo } from '../../src/errors.ts';
import { tell } from './output.ts';
import { writeWhole } from './whole-file.ts';

/**
 * Writes `text` to a file, whole or not at all, or to '-', standard output. If that fails, to the first that
 * takes it: a file in the working directory, one among the temporary files, standard output, standard error.
 * Returns false then. `kind` is the ending of such a file.
 */
export const deliverAs =
  (program: string) =>
  (text: string, file: string, kind: string): boolean => {
    const name = `${program}-${process.pid}.${kind}`;
    const spare: (readonly [string, () => void])[] = [
      [name, () => writeWhole(name, text)],
      [join(tmpdir(), name), () => writeWhole(join(tmpdir(), name), text)],
      ['standard output', () => writeAll(1, text)],
      ['standard error', () => writeAll(2, text)],
    ];
    try {
      if (file === '-') writeOut(text, kind);
      else writeWhole(file, text);
      return true;
    } catch (error) {
      const { message } = file === '-' ? failedTo('write standard output', error) : (error as Error);
      for (const [place, write] of spare) {
        try {
          write();
          tell(`${program}: ${message}; the figures went to ${place}`);
          return false;
        } catch {
          // The next place.
        }
      }
      return false;
    }
  };

/**
 * Lines for people ('txt') may be thrown away. Figures that '-' asks for may not: where the descriptor was
 * closed, Node has put /dev/null in its place.
 */
function writeOut(text: string, kind: string): void {
  if (kind !== 'txt' && wasClosed(1)) throw new Error('it is closed');
  writeAll(1, text);
}

/** Node opens /dev/null for reading and writing; a shell's `>/dev/null` is for writing. */
function wasClosed(fd: number): boolean {
  const status = fstatSync(fd);
  if (!status.isCharacterDevice() || status.rdev !== statSync('/dev/null').rdev) return false;
  const [, flags = ''] = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? [];
  return (Number.parseInt(flags, 8) & constants.O_RDWR) !== 0;
}

/** A pipe may take a part at a time. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}
