// SPDX-License-Identifier: BSD-3-Clause
// What a writer has put together and not yet written: a file, or whatever takes bytes.
import { closeSync, writeSync } from 'node:fs';
import { failedTo } from '../errors.ts';
import { openToWrite } from '../user-file.ts';

const BUFFER = 1 << 20;

/** Takes `length` bytes of `bytes`, all of them or throws. */
export type Sink = (bytes: Uint8Array, length: number) => void;

/** A file as a sink. The caller closes it. */
export class FileSink {
  readonly path: string;
  readonly #fd: number;
  #open = true;

  /** Makes the file, with "wx" only where there is none, or with "a" writes behind what is there. */
  constructor(path: string, flags: 'w' | 'wx' | 'a' = 'w', mode = 0o666) {
    this.path = path;
    this.#fd = openToWrite(path, flags, `create ${path}`, mode);
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
