// SPDX-License-Identifier: BSD-3-Clause
// What a writer has put together and not yet written: a file, or whatever takes bytes.
import { closeSync, fstatSync, ftruncateSync, realpathSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { failedTo, PmdError } from '../errors.ts';
import { statusOf } from '../file-identity.ts';
import { native } from '../native.ts';
import { openToWrite } from '../user-file.ts';

const BUFFER = 1 << 20;

/** Takes `length` bytes of `bytes`, all of them or throws. */
export type Sink = (bytes: Uint8Array, length: number) => void;

/**
 * A file as a sink. The caller closes it. A file that is begun is this process's until then: two that write
 * one would leave neither's.
 */
export class FileSink {
  readonly path: string;
  readonly #fd: number;
  /** It was not there before. */
  readonly #isNew: boolean;
  #failed = false;
  #open = true;

  /**
   * Makes the file, with "wx" only where there is none, or with "a" writes behind what is there. Throws one
   * line that names it, EBUSY if another process is writing it, whose file it leaves as it is.
   */
  constructor(path: string, flags: 'w' | 'wx' | 'a' = 'w', mode = 0o666) {
    this.path = path;
    this.#isNew = statusOf(path) === undefined;
    this.#fd = flags === 'a' ? openToWrite(path, flags) : openAlone(path, flags, mode);
  }

  readonly write: Sink = (bytes, length) => {
    try {
      for (let done = 0; done < length; ) done += writeSync(this.#fd, bytes, done, length - done);
    } catch (error) {
      this.#failed = true;
      throw failedTo(`write ${this.path}`, error);
    }
  };

  /** May be called twice. A file that was made for nothing, as on a full disk, goes. */
  close(): void {
    if (!this.#open) return;
    if (this.#failed && this.#isNew) removeEmpty(this.path, this.#fd);
    closeSync(this.#fd);
    this.#open = false;
  }
}

function removeEmpty(path: string, fd: number): void {
  try {
    const { size, dev, ino } = fstatSync(fd);
    const there = realpathSync(path);
    const status = statSync(there);
    if (size === 0 && status.dev === dev && status.ino === ino) unlinkSync(there);
  } catch {
    // It is gone already, or not ours to remove.
  }
}

/** The file, empty, and locked while it is open. Devices may be written by many. */
function openAlone(path: string, flags: 'w' | 'wx', mode: number): number {
  const action = `create ${path}`;
  const fd = openToWrite(path, flags === 'w' ? 'kept' : flags, action, mode);
  try {
    if (!fstatSync(fd).isFile()) return fd;
    if (!isLocked(fd)) throw new PmdError('EBUSY', 'another process is writing it; name another file');
    ftruncateSync(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw failedTo(action, error);
  }
}

/** False if another holds it; a file system without locks has none to refuse. */
function isLocked(fd: number): boolean {
  try {
    return native.lockFile(fd, 0, Number.MAX_SAFE_INTEGER);
  } catch {
    return true;
  }
}

/** Bytes that are written when the buffer is full. */
export class BlockBuffer {
  readonly bytes = new Uint8Array(BUFFER);
  readonly view = new DataView(this.bytes.buffer);
  /** Bytes handed to the sink and still here. */
  total = 0;
  readonly #sink: Sink;
  #end = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Makes room for `length` bytes, at most half a MiB, and returns where it is. */
  reserve(length: number): number {
    if (this.#end + length > BUFFER) this.flush();
    const at = this.#end;
    this.#end += length;
    this.total += length;
    return at;
  }

  flush(): void {
    const length = this.#end;
    // What cannot be written is dropped with its error, or a full disk would be met again and again.
    this.#end = 0;
    if (length > 0) this.#sink(this.bytes, length);
  }
}
