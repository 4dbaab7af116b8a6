// SPDX-License-Identifier: BSD-3-Clause
// A file read forwards through one buffer. It knows where it stands, so that whatever is wrong with the
// file is reported with its offset, and it holds no more of the file than it is asked for.
import { closeSync, readSync } from 'node:fs';
import { failedTo, PmdError } from '../errors.ts';
import { openToRead } from '../user-file.ts';
import { MAX_CAPTURED } from './packet.ts';

/** The largest piece that is asked for: a packet with what stands before it, and as much behind it. */
const BUFFER = 2 * MAX_CAPTURED + 128;

export class ByteSource {
  readonly path: string;
  readonly bytes = new Uint8Array(BUFFER);
  readonly view = new DataView(this.bytes.buffer);
  /** Where reading stands in `bytes`. */
  at = 0;
  #end = 0;
  /** Offset in the file of bytes[0]. */
  #base = 0;
  #fd = -1;

  constructor(path: string) {
    this.path = path;
    this.#fd = openToRead(path);
  }

  /** Of the next byte, in the file. */
  get offset(): number {
    return this.#base + this.at;
  }

  /** Whether the file ends here. */
  atEnd(): boolean {
    return !this.#has(1);
  }

  /** Makes `length` bytes readable at `at`; what ends before is `what`, cut short. */
  need(length: number, what: string): void {
    if (!this.#has(length)) this.fail(`the ${what} is cut short`);
  }

  /** Whether the file has `length` more bytes; they are then readable at `at`. */
  holds(length: number): boolean {
    return this.#has(length);
  }

  /** Passes `length` bytes, however many. */
  skip(length: number, what: string): void {
    const start = this.offset;
    let left = length;
    while (left > 0) {
      if (!this.#has(1)) this.fail(`the ${what} is cut short`, start);
      const step = Math.min(left, this.#end - this.at);
      this.at += step;
      left -= step;
    }
  }

  /** Back to the first byte. */
  rewind(): void {
    this.close();
    this.#fd = openToRead(this.path);
    this.#base = this.#end = this.at = 0;
  }

  /** May be called twice. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  /** Throws: the file is wrong at `offset`. */
  fail(cause: string, offset = this.offset): never {
    throw new PmdError('VPCI_CAPTURE_FILE', `Failed to read ${this.path}: ${cause}, at byte ${offset}`);
  }

  #has(length: number): boolean {
    if (this.at + length > BUFFER) this.#compact();
    while (this.#end - this.at < length) if (!this.#fill()) return false;
    return true;
  }

  #compact(): void {
    this.bytes.copyWithin(0, this.at, this.#end);
    this.#base += this.at;
    this.#end -= this.at;
    this.at = 0;
  }

  #fill(): boolean {
    if (this.#fd < 0) throw new PmdError('VPCI_CLOSED', `Failed to read ${this.path}: it was closed`);
    try {
      const count = readSync(this.#fd, this.bytes, this.#end, BUFFER - this.#end, null);
      this.#end += count;
      return count > 0;
    } catch (error) {
      throw failedTo(`read ${this.path}`, error);
    }
  }
}
