// SPDX-License-Identifier: BSD-3-Clause
// Packets of several rings, in the order of their times.

import { readTime } from '../capture/time.ts';
import { blankHeader, type PacketHeader } from '../capture/writer.ts';
import type { RingReader } from './ring.ts';

/** Nanoseconds since 1970. */
const CLOCK = { perSecond: 1_000_000_000, offset: 0 };
/** Packets after which readers let the process have their room again. */
const RELEASE_AFTER = 256;

/** How far a packet may be ahead of the time until which packets are taken. */
const LONGEST_AHEAD_MS = 1000;

/** A ring whose packets are of one interface and one direction. */
export class Source {
  readonly ring: RingReader;
  readonly interfaceId: number;
  readonly direction: 'in' | 'out';
  /** Whether `ring` is at a record that has not been taken. */
  waiting = false;

  constructor(ring: RingReader, interfaceId: number, role: 'rx' | 'tx') {
    this.ring = ring;
    this.interfaceId = interfaceId;
    this.direction = role === 'rx' ? 'in' : 'out';
  }
}

/** Takes a packet: a header that is filled again for the next, and bytes that are there until it returns. */
export type TakePacket = (header: PacketHeader, bytes: Uint8Array) => void;

export class Drain {
  readonly #sources: readonly Source[];
  readonly #take: TakePacket;
  readonly #header = blankHeader('in');

  constructor(sources: readonly Source[], take: TakePacket) {
    this.#sources = sources;
    this.#take = take;
  }

  /**
   * Takes what is in the rings now, at most `most` packets and while `isWanted`, which is asked before each;
   * returns how many. Packets from `until` on, in milliseconds since 1970, are left: an earlier one may still
   * come in another ring.
   */
  run(most: number, isWanted: () => boolean = () => true, until = Number.POSITIVE_INFINITY): number {
    for (const { ring } of this.#sources) ring.look();
    let taken = 0;
    while (taken < most && isWanted()) {
      const source = this.#earliest();
      if (source === null || isAhead(source.ring, until)) break;
      this.#give(source);
      taken++;
      if (taken % RELEASE_AFTER === 0) this.#release();
    }
    this.#release();
    return taken;
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

  #give(source: Source): void {
    const { ring } = source;
    const header = this.#header;
    header.length = ring.present;
    header.originalLength = ring.length;
    header.interfaceId = source.interfaceId;
    header.direction = source.direction;
    readTime(header, ring.timeHigh, ring.timeLow, CLOCK);
    this.#take(header, ring.bytes.subarray(ring.at, ring.at + ring.present));
    source.waiting = false;
    ring.done();
  }

  #release(): void {
    for (const { ring } of this.#sources) ring.release();
  }
}

/** Not of a packet far ahead: the clock has been set back since, and would hold it for too long. */
function isAhead({ timeHigh, timeLow }: RingReader, until: number): boolean {
  const ahead = (timeHigh * 2 ** 32 + timeLow) / 1e6 - until;
  return ahead >= 0 && ahead < LONGEST_AHEAD_MS;
}

const isEarlier = (a: RingReader, b: RingReader): boolean =>
  a.timeHigh < b.timeHigh || (a.timeHigh === b.timeHigh && a.timeLow < b.timeLow);
