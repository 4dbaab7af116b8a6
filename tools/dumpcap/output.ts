// SPDX-License-Identifier: BSD-3-Clause
// The files of a capture: one, stdout, or with -b a series of which the oldest are removed.
import { unlinkSync, writeSync } from 'node:fs';
import { release, type as systemType } from 'node:os';
import { join, parse } from 'node:path';
import { FileSink, type Sink } from '../../src/capture/block-buffer.ts';
import { PcapWriter } from '../../src/capture/pcap-writer.ts';
import { PcapngWriter } from '../../src/capture/pcapng-writer.ts';
import {
  type CaptureCounts,
  type CaptureInterface,
  type CaptureWriter,
  type PacketHeader,
  writePacket,
} from '../../src/capture/writer.ts';
import { failedTo } from '../../src/errors.ts';
import { packageVersion } from '../../src/package-root.ts';
import { elapsed, filled, reached, rotates } from './limits.ts';
import { type DumpcapOptions, NAME } from './options.ts';

const STDOUT = 1;

export interface OutputOptions
  extends Pick<DumpcapOptions, 'output' | 'groupRead' | 'pcapng' | 'comment' | 'tempDir' | 'ring'> {
  readonly interfaces: readonly CaptureInterface[];
  readonly snaplen: number;
  /** Names a file that has no name. */
  readonly port: { readonly id: number; readonly name: string };
  /** Told of each file that is begun. */
  readonly onFile: (path: string) => void;
}

/** 20261129093015, of this machine's clock. */
function stamp(now = new Date()): string {
  const parts = [now.getMonth() + 1, now.getDate(), now.getHours(), now.getMinutes(), now.getSeconds()];
  return now.getFullYear() + parts.map((part) => String(part).padStart(2, '0')).join('');
}

/** "a_00001_20261129093015.pcapng" for "a.pcapng". */
function seriesName(path: string, number: number): string {
  const { dir, name, ext } = parse(path);
  return join(dir, `${name}_${String(number).padStart(5, '0')}_${stamp()}${ext}`);
}

const stdout: Sink = (bytes, length) => {
  try {
    for (let done = 0; done < length; ) done += writeStdout(bytes, done, length - done);
  } catch (error) {
    throw failedTo('write stdout', error);
  }
};

/** A pipe may be set not to block by whoever shares it. */
function writeStdout(bytes: Uint8Array, from: number, length: number): number {
  try {
    return writeSync(STDOUT, bytes, from, length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    return 0;
  }
}

export class Output {
  readonly #options: OutputOptions;
  #file: FileSink | null = null;
  #writer: CaptureWriter | null = null;
  /** Of the series that are still there. */
  #kept: string[] = [];
  #files = 0;
  /** Of this file: when its first packet came, and how many have. */
  #began = 0;
  #packets = 0;
  #full = false;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.#open();
  }

  /** Files begun. */
  get files(): number {
    return this.#files;
  }

  /** Of the file at hand. */
  get bytes(): number {
    return this.#current.total;
  }

  /**
   * Looks whether the file is full by -b: then a further packet goes into another. To be asked before each
   * packet, once: time goes by between two looks. A file without packets is never full.
   */
  isFull(): boolean {
    const { duration, filesize, packets } = this.#options.ring;
    this.#full =
      this.#packets > 0 &&
      (reached(packets, this.#packets) ||
        filled(filesize, this.#current.total) ||
        elapsed(duration, this.#began));
    return this.#full;
  }

  /** Appends a packet; goes on to the next file first when this one was found full. */
  write(header: PacketHeader, bytes: Uint8Array): void {
    if (this.#full) this.#turn();
    if (this.#packets++ === 0) this.#began = performance.now();
    writePacket(this.#current, header, bytes);
  }

  /** Between packets: whoever reads the file meanwhile finds all of them. */
  flush(): void {
    this.#current.flush();
  }

  /** Ends the last file, with what the interfaces saw. */
  end(counts: readonly CaptureCounts[]): void {
    counts.forEach((one, id) => {
      this.#current.statistics(id, one);
    });
    this.#current.flush();
    this.#file?.close();
  }

  get #current(): CaptureWriter {
    return this.#writer as CaptureWriter;
  }

  #turn(): void {
    this.#current.flush();
    this.#file?.close();
    this.#open();
  }

  #open(): void {
    const { interfaces, snaplen, pcapng, comment } = this.#options;
    const common = { sink: this.#sink(), interfaces, snaplen };
    this.#writer = pcapng
      ? new PcapngWriter({
          ...common,
          os: `${systemType()} ${release()}`,
          application: `${NAME} ${packageVersion()}`,
          ...(comment === undefined ? {} : { comment }),
        })
      : new PcapWriter({ ...common, nanoseconds: true });
    this.#writer.flush();
    this.#files++;
    this.#packets = 0;
    this.#full = false;
  }

  #sink(): Sink {
    const { output, tempDir, groupRead, onFile, ring } = this.#options;
    if (output === '-') return stdout;
    const path = output === null ? join(tempDir, this.#ownName()) : this.#name(output);
    // Before the next is made, as Wireshark's does: never more than so many, and room on a disk that is full.
    if (ring.files !== undefined && this.#kept.length >= ring.files) remove(this.#kept.shift() as string);
    // In a folder of everybody's, a name that can be guessed may be somebody's link.
    this.#file = new FileSink(path, output === null ? 'wx' : 'w', groupRead ? 0o640 : 0o600);
    onFile(path);
    this.#kept.push(path);
    return this.#file.write;
  }

  #name(output: string): string {
    return rotates(this.#options.ring) ? seriesName(output, this.#files + 1) : output;
  }

  #ownName(): string {
    const { port, pcapng } = this.#options;
    const name = port.name.replace(/[^\w.:-]/g, '_');
    return `${NAME}_${port.id}_${name}_${stamp()}.${pcapng ? 'pcapng' : 'pcap'}`;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody has taken it away; the series goes on.
  }
}
