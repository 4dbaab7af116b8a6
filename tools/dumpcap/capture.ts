// SPDX-License-Identifier: BSD-3-Clause
// Packets from the rings of the process to the output, in the order of their times.
import { readTime } from '../../src/capture/time.ts';
import { native } from '../../src/native.ts';
import type { PdumpConnection } from '../../src/pdump/connection.ts';
import { MAX_RING, MIN_RING, RECORD, RingReader } from '../../src/pdump/ring.ts';
import { compile, type Interface } from './interfaces.ts';
import type { Output } from './output.ts';

/** Nanoseconds since 1970. */
const CLOCK = { perSecond: 1_000_000_000, offset: 0 };
/** Of a packet that a ring has room for, whatever the snapshot length. */
const USUAL_PACKET = 2176;
/** Packets after which readers let the process have their room again. */
const RELEASE_AFTER = 256;

export interface Source {
  readonly ring: RingReader;
  readonly interfaceId: number;
  readonly direction: 'in' | 'out';
  /** Whether `ring` is at a record that has not been written. */
  waiting: boolean;
}

/** Bytes of a ring with room for so many packets: a power of two. */
export function ringBytes(packets: number, snaplen: number): number {
  const wanted = packets * (Math.min(snaplen, USUAL_PACKET) + RECORD);
  return Math.min(MAX_RING, Math.max(MIN_RING, 2 ** Math.ceil(Math.log2(wanted))));
}

/** Begins to capture an interface. */
export function sourcesOf(
  connection: PdumpConnection,
  one: Interface,
  interfaceId: number,
  packets: number,
): Source[] {
  const { code } = compile(one);
  const { rings, fd, ...started } = connection.start({
    port: one.port.id,
    snaplen: one.snaplen,
    ringBytes: ringBytes(packets, one.snaplen),
    filter: Buffer.from(code).toString('base64'),
  });
  const mapping = native.mapFd(fd, 0, started.fileBytes, true);
  native.close(fd);
  return rings.map(({ role, offset }) => ({
    ring: new RingReader(mapping, offset, started.ringBytes),
    interfaceId,
    direction: role === 'rx' ? 'in' : 'out',
    waiting: false,
  }));
}

export class Drain {
  readonly #sources: readonly Source[];
  readonly #output: Output;
  readonly #header = {
    length: 0,
    originalLength: 0,
    seconds: 0,
    nanoseconds: 0,
    interfaceId: 0,
    direction: 'in' as 'in' | 'out',
  };

  constructor(sources: readonly Source[], output: Output) {
    this.#sources = sources;
    this.#output = output;
  }

  /** Writes what is in the rings now, at most `most` packets; returns how many. */
  run(most: number): number {
    for (const { ring } of this.#sources) ring.look();
    let written = 0;
    while (written < most) {
      const source = this.#earliest();
      if (source === null) break;
      this.#write(source);
      written++;
      if (written % RELEASE_AFTER === 0) this.#release();
    }
    this.#release();
    return written;
  }

  /** The source whose next packet is the earliest; null if there is none. */
  #earliest(): Source | null {
    let first: Source | null = null;
    for (const source of this.#sources) {
      if (!source.waiting) source.waiting = source.ring.next();
      if (source.waiting && (first === null || isEarlier(source.ring, first.ring))) first = source;
    }
    return first;
  }

  #write(source: Source): void {
    const { ring } = source;
    const header = this.#header;
    header.length = ring.present;
    header.originalLength = ring.length;
    header.interfaceId = source.interfaceId;
    header.direction = source.direction;
    readTime(header, ring.timeHigh, ring.timeLow, CLOCK);
    const { writer } = this.#output;
    const to = writer.begin(header);
    writer.bytes.set(ring.bytes.subarray(ring.at, ring.at + ring.present), to);
    source.waiting = false;
    ring.done();
    this.#output.wrote();
  }

  #release(): void {
    for (const { ring } of this.#sources) ring.release();
  }
}

const isEarlier = (a: RingReader, b: RingReader): boolean =>
  a.timeHigh < b.timeHigh || (a.timeHigh === b.timeHigh && a.timeLow < b.timeLow);
