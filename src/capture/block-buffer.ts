// SPDX-License-Identifier: BSD-3-Clause
// What a writer has put together and not yet written: a file, or whatever takes bytes.
import { closeSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { failedTo, PmdError } from '../errors.ts';
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
  #open = true;

  /**
   * Makes the file, with "wx" only where there is none, or with "a" writes behind what is there. Throws one
   * line that names it, EBUSY if another process is writing it, whose file it leaves as it is.
   */
  constructor(path: string, flags: 'w' | 'wx' | 'a' = 'w', mode = 0o666) {
    this.path = path;
    this.#fd = flags === 'a' ? openToWrite(path, flags) : openAlone(path, flags, mode);
  }

  readonly write: Sink = (bytes, length) => {
    try {
      for (let done = 0; done < length; ) done += writeSync(this.#fd, bytes, done, length - done);
    } catch (error) {
      throw failedTo(`write ${this.path}`, error);
    }
  };

  close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
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
