// SPDX-License-Identifier: BSD-3-Clause
// --capture: the frames of a run in a pcapng file, beside the traffic. The file is bounded, and so is the
// memory on the way there; what found no place is counted, in the file too. A file that cannot be written
// ends the capture, not the run.
import { FileSink } from '../../src/capture/block-buffer.ts';
import { PcapngWriter } from '../../src/capture/pcapng-writer.ts';
import { packageVersion } from '../../src/package-root.ts';
import {
  type CapturedFrame,
  type CaptureMemory,
  CaptureReader,
  newCaptureMemory,
  RECEIVED,
  SENT,
} from './engine/capture-tap.ts';

export type CaptureOf = 'received' | 'sent' | 'both';

export interface CaptureOptions {
  readonly file: string;
  readonly of: CaptureOf;
  /** Most bytes of a frame. */
  readonly snaplen: number;
  /** Most bytes of the file. */
  readonly size: number;
  /** Name of the port. */
  readonly port: string;
  /** Ticks per second of the tap's clock. */
  readonly hz: number;
}

/** What a capture came to. */
export interface CaptureCounts {
  readonly file: string;
  readonly frames: number;
  /** Passed, and are not in the file: no room in memory, or in the file. */
  readonly dropped: number;
  /** Why it ended early; null if it did not. */
  readonly failure: string | null;
}

/** Share of the ring from which on it is emptied, and milliseconds after which it is in any case. */
const WORTH = 1 / 8;
const LATEST_MS = 2000;
/** Milliseconds until the next look at it, by how fast it grows. */
const [SOONEST_LOOK_MS, LATEST_LOOK_MS] = [20, 250];
/** What a record has beside the frame's bytes, at most. */
const RECORD_BYTES = 64;
const DIRECTIONS: Readonly<Record<CaptureOf, readonly number[]>> = {
  received: [RECEIVED],
  sent: [SENT],
  both: [RECEIVED, SENT],
};

export class Capture {
  /** For the lcore. */
  readonly memory: CaptureMemory;
  readonly #options: CaptureOptions;
  readonly #reader: CaptureReader;
  readonly #sink: FileSink;
  readonly #writer: PcapngWriter;
  /** Frames in the file, of each direction. */
  readonly #written = [0, 0];
  /** When the tap's clock was 0: seconds since 1970, and the nanoseconds on top. */
  #origin = { seconds: 0, nanoseconds: 0 };
  #failure: string | null = null;
  /** When it was looked at and emptied last, and how full it was then. */
  #looked = 0;
  #emptied = 0;
  #fill = 0;

  /** Throws if the file cannot be made. */
  constructor(options: CaptureOptions) {
    this.#options = options;
    this.memory = newCaptureMemory(options.snaplen);
    this.#reader = new CaptureReader(this.memory);
    this.#sink = new FileSink(options.file);
    const { port, snaplen } = options;
    this.#writer = new PcapngWriter({
      sink: this.#sink.write,
      interfaces: [{ name: port }],
      snaplen,
      application: `vhost-pci-pktgen ${packageVersion()}`,
    });
  }

  /** From now on; the tap's clock begins at 0 about now. */
  begin(): void {
    const now = performance.timeOrigin + performance.now();
    const seconds = Math.floor(now / 1000);
    this.#origin = { seconds, nanoseconds: Math.floor((now - 1000 * seconds) * 1e6) };
    this.#looked = this.#emptied = performance.now();
    this.#reader.want(DIRECTIONS[this.#options.of]);
  }

  /**
   * Writes what has been copied, once it is worth the CPU that this may take from a poll loop. Returns the
   * milliseconds after which it is to be called again.
   */
  poll(): number {
    const [now, fill] = [performance.now(), this.#reader.fill];
    const growth = Math.max(0, fill - this.#fill) / Math.max(1, now - this.#looked);
    const isTime = fill >= WORTH || now - this.#emptied >= LATEST_MS;
    if (isTime) this.#empty();
    this.#looked = now;
    this.#fill = isTime ? 0 : fill;
    if (isTime) this.#emptied = now;
    return Math.min(LATEST_LOOK_MS, Math.max(SOONEST_LOOK_MS, WORTH / growth));
  }

  #empty(): void {
    this.#attempt(() => this.#reader.drain((frame) => this.#write(frame)));
  }

  /** Writes the rest and closes the file. */
  end(): CaptureCounts {
    this.#reader.want([]);
    this.#empty();
    const { file } = this.#options;
    const [received, sent] = [RECEIVED, SENT].map((direction) => this.#reader.counts(direction).seen);
    const seen = (received as number) + (sent as number);
    const frames = this.#written.reduce((sum, count) => sum + count, 0);
    this.#attempt(() => {
      this.#writer.statistics(0, { received: seen, dropped: seen - frames });
      this.#writer.flush();
    });
    this.#sink.close();
    return { file, frames, dropped: seen - frames, failure: this.#failure };
  }

  #write({ offset, copied, length, direction, time }: Readonly<CapturedFrame>): void {
    const { size, hz } = this.#options;
    if (this.#failure !== null || this.#writer.total + copied + RECORD_BYTES > size) return;
    const ns = this.#origin.nanoseconds + Math.round((1e9 * time) / hz);
    const at = this.#writer.begin({
      ...{ length: copied, originalLength: length, interfaceId: 0 },
      seconds: this.#origin.seconds + Math.floor(ns / 1e9),
      nanoseconds: ns % 1e9,
      direction: direction === SENT ? 'out' : 'in',
    });
    this.#writer.bytes.set(this.#reader.bytes.subarray(offset, offset + copied), at);
    this.#written[direction] = (this.#written[direction] as number) + 1;
  }

  #attempt(step: () => void): void {
    if (this.#failure !== null) return;
    try {
      step();
    } catch (error) {
      this.#failure = (error as Error).message;
      this.#reader.want([]);
    }
  }
}

/** "captured 10 frames in FILE, 2 not". */
export function captureLines({ file, frames, dropped, failure }: CaptureCounts): string[] {
  if (failure !== null) return [`capture: ${failure}`];
  return [`captured ${frames} frames in ${file}, ${dropped} more did not fit`];
}
