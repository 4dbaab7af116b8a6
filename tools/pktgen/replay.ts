// SPDX-License-Identifier: BSD-3-Clause
// A capture as a stream: the whole file in memory that the lcore shares, so that nothing is read while
// packets are sent.

import { ETHERNET } from '../../src/capture/packet.ts';
import { CaptureFile } from '../../src/capture/reader.ts';
import { requireMemory } from '../../src/machine-memory.ts';
import { ETHER } from '../../src/packet/headers.ts';
import type { CompiledStream } from './plan/compile.ts';
import { fault } from './plan/fault.ts';
import { LARGEST_FRAME } from './plan/sizes.ts';

export interface ReplayOptions {
  readonly file: string;
  /** Times that the file is sent; Infinity until the end of the run. */
  readonly loops: number;
  /** Packets keep their distances; else they are sent at a rate. */
  readonly originalGaps: boolean;
}

export interface Replay {
  readonly stream: CompiledStream;
  readonly packets: number;
  /** Packets of which the file holds only a part, sent as that; and those that are no frame, left out. */
  readonly cut: number;
  readonly omitted: number;
  /** Packets per second of the file. */
  readonly pps: number;
}

/** Throws one line that names the file and what is wrong with it. */
export function loadReplay({ file, loops, originalGaps }: ReplayOptions): Replay {
  const packets = new Packets(file);
  const { lengths, times } = packets;
  if (lengths.length === 0) throw fault(file, 'no packet that can be sent');
  const first = times[0] as number;
  // A file may hold packets out of order; none is due before the one in front of it.
  let latest = 0;
  const dues = Float64Array.from(times, (time) => {
    latest = Math.max(latest, time - first);
    return latest;
  });
  if (originalGaps && latest === 0 && loops > 1)
    throw fault(
      file,
      `${lengths.length > 1 ? 'its packets have all the same time' : 'it has one packet'}, so a loop has no length: give a --rate`,
    );
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  const replay = {
    ...packets.shared(),
    dues: originalGaps ? dues : null,
    // From the last packet to the first of the next loop.
    loopGap: lengths.length > 1 ? latest / (lengths.length - 1) : 0,
  };
  const stream: CompiledStream = {
    name: file,
    plan: { frame: null, replay, burst: 1, poisson: false, count: lengths.length * loops, seed: 1 },
    meanSize: bytes / lengths.length,
    largest: lengths.reduce((most, length) => Math.max(most, length), 0),
  };
  const { cut, omitted } = packets;
  const pps = latest > 0 ? ((lengths.length - 1) * 1e9) / latest : 0;
  return { stream, packets: lengths.length, cut, omitted, pps };
}

/** The packets of a file, one behind another. */
class Packets {
  readonly lengths: number[] = [];
  /** Nanoseconds since the first second of the file. */
  readonly times: number[] = [];
  cut = 0;
  omitted = 0;
  readonly #starts: number[] = [];
  #words = new Uint32Array(new SharedArrayBuffer(1 << 20));
  #bytes = new Uint8Array(this.#words.buffer);
  #used = 0;

  constructor(file: string) {
    const capture = CaptureFile.open(file);
    try {
      let origin: number | undefined;
      for (let packet = capture.next(); packet; packet = capture.next()) {
        const { bytes, offset, length, originalLength, linkType, seconds, nanoseconds } = packet;
        if (linkType !== ETHERNET) throw fault(file, `link type ${linkType}: only Ethernet can be sent`);
        if (length > LARGEST_FRAME)
          throw fault(file, `packet ${this.times.length} has ${length} bytes, more than ${LARGEST_FRAME}`);
        origin ??= seconds;
        if (length < ETHER.HEADER) this.omitted++;
        else this.#add(bytes.subarray(offset, offset + length), (seconds - origin) * 1e9 + nanoseconds);
        if (length < originalLength) this.cut++;
      }
    } finally {
      capture.close();
    }
  }

  shared() {
    return {
      words: this.#words,
      starts: Uint32Array.from(this.#starts),
      lengths: Uint32Array.from(this.lengths),
    };
  }

  #add(packet: Uint8Array, time: number): void {
    const end = this.#used + ((packet.length + 3) & ~3);
    while (end > this.#bytes.length) this.#grow();
    this.#bytes.set(packet, this.#used);
    this.#starts.push(this.#used / 4);
    this.lengths.push(packet.length);
    this.times.push(time);
    this.#used = end;
  }

  #grow(): void {
    const size = 2 * this.#bytes.length;
    requireMemory(size, 'the packets of a capture');
    const bytes = new Uint8Array(new SharedArrayBuffer(size));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#words = new Uint32Array(bytes.buffer);
  }
}
