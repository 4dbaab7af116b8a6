// SPDX-License-Identifier: BSD-3-Clause
// A capture of one port in the process that has it: a ring for each queue, in one file, and their points.
import { CAPTURE_QUEUES, capturePointOf } from '../ethdev/capture-point.ts';
import type { Port } from '../ethdev/port.ts';
import { type CaptureQueueCounts, type MappingHandle, native } from '../native.ts';
import type { Ring } from './protocol.ts';
import { RING_DATA } from './ring.ts';

/** Pause before a queue is looked at again whose thread is still copying. */
const RETRY_MS = 5;
/** A thread that was ended in the middle of a copy never leaves: its memory stays. */
const RETRIES = 2000;

const PAGE = 4096;
/** Bytes of a ring whose pages are made at once, and how often before other work has its turn. */
const CHUNK = 1 << 16;
const CHUNKS = 16;

const NONE: CaptureQueueCounts = { accepted: 0, filtered: 0, dropped: 0 };

const sum = (a: CaptureQueueCounts, b: CaptureQueueCounts): CaptureQueueCounts => ({
  accepted: a.accepted + b.accepted,
  filtered: a.filtered + b.filtered,
  dropped: a.dropped + b.dropped,
});

export interface CaptureOptions {
  readonly snaplen: number;
  readonly ringBytes: number;
  readonly filter: Uint8Array;
}

/** Queues of each direction that may be configured during a capture. */
const SPARE_QUEUES = 16;

export interface Rings {
  /** Those of the queues in use first. */
  readonly rings: readonly Ring[];
  /** How many are of queues in use. The others have no pages until their queue is used. */
  readonly used: number;
}

/** The queues of a port, as rings in a file of at most `most` bytes if those in use fit. */
export function ringsOf({ config, info }: Port, ringBytes: number, most: number): Rings {
  const roles = { rx: [config.rxQueues, info.maxRxQueues], tx: [config.txQueues, info.maxTxQueues] } as const;
  const places = (from: (role: 'rx' | 'tx') => number, to: (role: 'rx' | 'tx') => number) =>
    (['rx', 'tx'] as const).flatMap((role) =>
      Array.from({ length: Math.max(0, to(role) - from(role)) }, (_, i) => ({ role, queue: from(role) + i })),
    );
  const inUse = (role: 'rx' | 'tx') => roles[role][0];
  const possible = (role: 'rx' | 'tx') =>
    Math.min(roles[role][1], inUse(role) + SPARE_QUEUES, CAPTURE_QUEUES);
  const used = places(() => 0, inUse);
  const room = Math.floor(most / (RING_DATA + ringBytes)) - used.length;
  const spare = places(inUse, possible).slice(0, Math.max(0, room));
  const rings = [...used, ...spare].map((place, i) => ({ ...place, offset: i * (RING_DATA + ringBytes) }));
  return { rings, used: used.length };
}

export class Capture {
  readonly port: Port;
  readonly name: string;
  readonly rings: readonly Ring[];
  /** Of the rings of queues that were in use at the start. */
  readonly bytes: number;
  readonly #used: number;
  readonly #mapping: MappingHandle;
  readonly #ringBytes: number;
  #mapped = true;
  /** Chunks of all rings whose pages are made. */
  #made = 0;
  /** Points that have not ended, and what those that have ended counted. */
  #running: number[] = [];
  #counted = NONE;

  /** Begins. Throws if a queue is captured already, or there is no memory. */
  constructor(port: Port, fd: number, { rings, used }: Rings, options: CaptureOptions) {
    const { ringBytes } = options;
    this.port = port;
    this.name = port.info.name;
    this.rings = rings;
    this.bytes = used * (RING_DATA + ringBytes);
    this.#used = used;
    this.#ringBytes = ringBytes;
    this.#mapping = native.mapFd(fd, 0, rings.length * (RING_DATA + ringBytes), true);
    try {
      for (const { role, queue, offset } of rings) {
        const point = capturePointOf({ port: port.id, role, queue });
        native.captureBegin(point, { ...options, mapping: this.#mapping, offset, bytes: ringBytes });
        this.#running.push(point);
      }
    } catch (error) {
      this.abandon();
      throw error;
    }
    this.#makePages();
  }

  /**
   * Makes the pages of the rings in use, the first of each ring first, ahead of the poll loops: they would
   * wait for them one by one. A loop that is faster does, and loses time, no packet. There may be half a
   * gigabyte, so other work of this thread has its turn in between.
   */
  #makePages(): void {
    if (!this.#mapped) return;
    const bytes = new Uint8Array(native.mappingBuffer(this.#mapping));
    const chunks = this.#used * Math.ceil((RING_DATA + this.#ringBytes) / CHUNK);
    const end = Math.min(chunks, this.#made + CHUNKS);
    for (; this.#made < end; this.#made++) {
      const { offset } = this.rings[this.#made % this.#used] as Ring;
      const at = Math.floor(this.#made / this.#used) * CHUNK;
      touch(bytes, offset + at, offset + Math.min(at + CHUNK, RING_DATA + this.#ringBytes));
    }
    if (end < chunks) setImmediate(() => this.#makePages()).unref();
  }

  counts(): CaptureQueueCounts {
    return this.#running.reduce((total, point) => sum(total, native.captureCounts(point)), this.#counted);
  }

  /** Ends it. False while a poll loop is still copying: call again. */
  end(): boolean {
    this.#running = this.#running.filter((point) => {
      const counts = native.captureEnd(point);
      if (counts !== null) this.#counted = sum(this.#counted, counts);
      return counts === null;
    });
    if (this.#running.length > 0) return false;
    if (this.#mapped) native.unmap(this.#mapping);
    this.#mapped = false;
    return true;
  }

  /** Ends it as soon as no poll loop is copying, whoever waits. */
  abandon(tries = RETRIES): void {
    if (!this.end() && tries > 0) setTimeout(() => this.abandon(tries - 1), RETRY_MS).unref();
  }
}

/** Has the kernel make the pages of `bytes[from..to)`. They are read only: packets may be there already. */
export function touch(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += PAGE) sum += bytes[at] as number;
  return sum;
}
