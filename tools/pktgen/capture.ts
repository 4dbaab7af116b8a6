// SPDX-License-Identifier: BSD-3-Clause
// --capture: the frames of a run in a pcapng file, beside the traffic, by the rings that vhost-pci-dumpcap
// reads as well. The file is bounded, and so is the memory on the way there; what found no place is counted,
// in the file too. A file that cannot be written ends the capture, not the run.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileSink } from '../../src/capture/block-buffer.ts';
import { PcapngWriter } from '../../src/capture/pcapng-writer.ts';
import { type PacketHeader, writePacket } from '../../src/capture/writer.ts';
import type { Port } from '../../src/ethdev/port.ts';
import { type CaptureQueueCounts, native } from '../../src/native.ts';
import { packageVersion } from '../../src/package-root.ts';
import { Capture as QueueCapture, ringsOf, touch } from '../../src/pdump/capture.ts';
import { Drain, Source } from '../../src/pdump/drain.ts';
import { compileFilter } from '../../src/pdump/filter.ts';
import type { Ring } from '../../src/pdump/protocol.ts';
import { MIN_RING, RING_DATA, RingReader } from '../../src/pdump/ring.ts';

export type CaptureOf = 'received' | 'sent' | 'both';

export interface CaptureOptions {
  /** Configured. */
  readonly port: Port;
  readonly file: string;
  readonly of: CaptureOf;
  /** Most bytes of a frame. */
  readonly snaplen: number;
  /** Most bytes of the file. */
  readonly size: number;
  /** Which frames, as an expression of libpcap; empty for all. */
  readonly filter: string;
}

/** What a capture came to. */
export interface CaptureCounts {
  readonly file: string;
  readonly frames: number;
  /** Chosen, and are not in the file: no room in memory, or in the file. */
  readonly dropped: number;
  /** Passed, and the filter did not choose them. */
  readonly filtered: number;
  /** Why it ended early; null if it did not. */
  readonly failure: string | null;
}

/** Bytes of all rings together, as near as powers of two come to it. */
const MEMORY = 1 << 25;
/** Share of a ring from which on all are emptied, and milliseconds after which they are in any case. */
const WORTH = 1 / 8;
const LATEST_MS = 2000;
/** Milliseconds until the next look at them, by how fast they grow. */
const [SOONEST_LOOK_MS, LATEST_LOOK_MS] = [20, 250];
/** What a record has beside the frame's bytes, at most. */
const RECORD_BYTES = 64;
/** Milliseconds that a poll loop may take to notice the end. */
const END_MS = 1000;
/** Of a capture that has not begun. */
const NOTHING: CaptureQueueCounts = { accepted: 0, filtered: 0, dropped: 0 };
const ROLES: Readonly<Record<CaptureOf, readonly string[]>> = {
  received: ['rx'],
  sent: ['tx'],
  both: ['rx', 'tx'],
};

export class Capture {
  readonly #options: CaptureOptions;
  readonly #rings: readonly Ring[];
  readonly #ringBytes: number;
  readonly #fd: number;
  readonly #code: Uint8Array;
  readonly #sources: readonly Source[];
  readonly #drain: Drain;
  readonly #sink: FileSink;
  readonly #writer: PcapngWriter;
  #queues: QueueCapture | undefined;
  #ended: Promise<CaptureCounts> | undefined;
  #frames = 0;
  #failure: string | null = null;
  /** When the rings were looked at and emptied last, and how full the fullest was then. */
  #looked = 0;
  #emptied = 0;
  #fill = 0;

  /** Throws if the file cannot be made, or the filter is none. */
  constructor(options: CaptureOptions) {
    const { port, file, of, snaplen, filter } = options;
    this.#options = options;
    this.#code = compileFilter(filter, snaplen).code;
    // Of the queues that are in use alone: the run configures no others.
    const { rings } = ringsOf(port, MIN_RING, 0);
    const wanted = rings.filter(({ role }) => ROLES[of].includes(role));
    this.#ringBytes = Math.max(MIN_RING, 2 ** Math.floor(Math.log2(MEMORY / wanted.length)));
    const stride = RING_DATA + this.#ringBytes;
    this.#rings = wanted.map((ring, i) => ({ ...ring, offset: i * stride }));
    const bytes = wanted.length * stride;
    // What the user named first: if it cannot be made, nothing else is there yet.
    this.#sink = new FileSink(file);
    this.#fd = this.#memory(bytes);
    const mapping = native.mapFd(this.#fd, 0, bytes, true);
    // Before the run, for which the kernel then has nothing to do.
    touch(new Uint8Array(native.mappingBuffer(mapping)), 0, bytes);
    this.#sources = this.#rings.map(
      ({ role, offset }) => new Source(new RingReader(mapping, offset, this.#ringBytes), 0, role),
    );
    this.#drain = new Drain(this.#sources, (header, frame) => this.#write(header, frame));
    this.#writer = new PcapngWriter({
      sink: this.#sink.write,
      interfaces: [{ name: port.info.name, ...(filter === '' ? {} : { filter }) }],
      snaplen,
      application: `vhost-pci-pktgen ${packageVersion()}`,
    });
  }

  #memory(bytes: number): number {
    try {
      return native.memfdCreate(`capture-${randomUUID()}`, bytes, false);
    } catch (error) {
      this.#sink.close();
      throw error;
    }
  }

  /** From now on. */
  begin(): void {
    const { port, snaplen } = this.#options;
    const rings = { rings: this.#rings, used: this.#rings.length };
    this.#looked = this.#emptied = performance.now();
    this.#queues = new QueueCapture(port, this.#fd, rings, {
      snaplen,
      ringBytes: this.#ringBytes,
      filter: this.#code,
    });
  }

  /**
   * Writes what has been copied, once it is worth the CPU that this may take from a poll loop. Returns the
   * milliseconds after which it is to be called again.
   */
  poll(): number {
    const now = performance.now();
    const fill = Math.max(...this.#sources.map(({ ring }) => ring.fill));
    const growth = Math.max(0, fill - this.#fill) / Math.max(1, now - this.#looked);
    const isTime = fill >= WORTH || now - this.#emptied >= LATEST_MS;
    if (isTime) this.#empty(Date.now());
    this.#looked = now;
    this.#fill = isTime ? 0 : fill;
    if (isTime) this.#emptied = now;
    return Math.min(LATEST_LOOK_MS, Math.max(SOONEST_LOOK_MS, WORTH / growth));
  }

  /** Writes the rest and closes the file; the counts, also when called again, or before it has begun. */
  async end(): Promise<CaptureCounts> {
    this.#ended ??= this.#end();
    return await this.#ended;
  }

  async #end(): Promise<CaptureCounts> {
    const queues = this.#queues;
    for (let i = 0; i < END_MS && queues?.end() === false; i++) await sleep(1);
    const { accepted, filtered, dropped: lost } = queues?.counts() ?? NOTHING;
    this.#empty();
    native.close(this.#fd);
    const [frames, seen] = [this.#frames, accepted + filtered + lost];
    const dropped = accepted + lost - frames;
    this.#attempt(() => {
      this.#writer.statistics(0, { received: seen, dropped });
      this.#writer.flush();
    });
    this.#sink.close();
    return { file: this.#options.file, frames, dropped, filtered, failure: this.#failure };
  }

  #empty(until?: number): void {
    this.#attempt(() => this.#drain.run(Number.POSITIVE_INFINITY, undefined, until));
  }

  #write(header: PacketHeader, frame: Uint8Array): void {
    if (this.#writer.total + header.length + RECORD_BYTES > this.#options.size) return;
    writePacket(this.#writer, header, frame);
    this.#frames++;
  }

  #attempt(step: () => void): void {
    if (this.#failure !== null) return;
    try {
      step();
    } catch (error) {
      this.#failure = (error as Error).message;
      this.#queues?.end();
    }
  }
}

/** "captured 10 frames in FILE", perhaps with ", 2 more did not fit". */
export function captureLines({ file, frames, dropped, filtered, failure }: CaptureCounts): string[] {
  if (failure !== null) return [`capture: ${failure}`];
  const others = filtered > 0 ? `; the filter refused ${filtered}` : '';
  const more = dropped > 0 ? `, ${dropped} more did not fit` : '';
  return [`captured ${frames === 1 ? '1 frame' : `${frames} frames`} in ${file}${more}${others}`];
}
