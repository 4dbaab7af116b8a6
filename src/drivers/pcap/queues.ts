// SPDX-License-Identifier: BSD-3-Clause
// Queues of net_pcap. A file is read and written in bursts by the lcore that has the queue; its counters,
// and how far it has come, are in memory that the port's own thread reads.
import { FileSink, type Sink } from '../../capture/block-buffer.ts';
import { type CapturedPacket, ETHERNET, MAX_CAPTURED } from '../../capture/packet.ts';
import { PCAP_HEADER } from '../../capture/pcap-reader.ts';
import { PcapWriter } from '../../capture/pcap-writer.ts';
import { CaptureFile } from '../../capture/reader.ts';
import { blankHeader } from '../../capture/writer.ts';
import { CapturePoint } from '../../ethdev/capture-point.ts';
import type { MbufVector, Mempool } from '../../ethdev/mempool.ts';
import type { QueueSpec, RxInterrupt, RxQueue, TxQueue } from '../../ethdev/port.ts';
import { warn } from '../../warnings.ts';
import { copyPacket } from './copy-packet.ts';

export const PACKETS = 0;
export const BYTES = 1;
export const NOMBUF = 2;
export const ERRORS = 3;
/** Not a counter: 1 while the port is started. */
export const STARTED = 4;
/** How often the port has been started: a file is read from its beginning each time. */
export const GENERATION = 5;
/** Packets taken from the file since then: another lcore goes on behind them. */
export const TAKEN = 6;
export const COUNTERS = 8;

const NANO = 1_000_000_000;
/** mbufs of one packet. */
const MAX_SEGMENTS = 64;

/** What a queue works on, and whether a file is read over and over. */
export interface PcapQueueData {
  readonly counters: SharedArrayBuffer;
  readonly path: string;
  readonly infinite: number;
  /** Of an interface, in place of a file; -1 for none. */
  readonly fd: number;
}

export const dataOf = (spec: QueueSpec): PcapQueueData => spec.data as unknown as PcapQueueData;

/** There is nothing to wait for: a file has packets or will never have any. */
const interrupts = (silent: boolean): RxInterrupt => ({
  fd: -1,
  arm: () => silent,
  disarm: () => {},
  counters: new Float64Array(2),
});

/** The receive queue of a port that only writes. */
export class NoFileRxQueue implements RxQueue {
  readonly interrupt = interrupts(true);
  burst(): number {
    return 0;
  }
}

export class PcapRxQueue implements RxQueue {
  readonly interrupt: RxInterrupt = interrupts(false);
  readonly #counters: Float64Array;
  readonly #path: string;
  readonly #infinite: boolean;
  readonly #capture: CapturePoint;
  #file: CaptureFile | null = null;
  #generation = -1;
  /** A packet that found no mbuf, and comes next. */
  #waiting: Readonly<CapturedPacket> | null = null;
  #ended = false;
  /** A packet of another link type has been met. */
  #foreign = false;
  #more: MbufVector | null = null;

  constructor(spec: QueueSpec) {
    const { counters, path, infinite } = dataOf(spec);
    this.#counters = new Float64Array(counters);
    this.#path = path;
    this.#infinite = infinite === 1;
    this.#capture = new CapturePoint(spec);
  }

  burst(pkts: MbufVector, wanted: number): number {
    let n = wanted >>> 0 < pkts.capacity ? wanted >>> 0 : pkts.capacity;
    if (n === 0 || this.#counters[STARTED] === 0) return 0;
    if (this.#generation !== this.#counters[GENERATION]) {
      this.#generation = this.#counters[GENERATION];
      this.#waiting = null;
      this.restart();
    }
    if (this.#ended) return 0;
    const { pool } = pkts;
    if (pool.alloc(pkts, n) === 0) {
      this.#counters[NOMBUF] += n;
      return 0;
    }
    let filled = 0;
    while (filled < n) {
      const packet = this.#waiting ?? this.next();
      if (packet === null) break;
      this.#waiting = packet;
      if (!this.#fill(pool, pkts.ids[filled], packet)) {
        if (n === filled + 1) {
          if (this.#waiting !== null) this.#counters[NOMBUF]++;
          break;
        }
        // A long packet may need the mbufs that were meant for those behind it.
        pool.free(pkts, filled + 1, n);
        n = filled + 1;
        continue;
      }
      this.#waiting = null;
      this.#counters[TAKEN]++;
      this.#counters[BYTES] += packet.length;
      filled++;
    }
    pool.free(pkts, filled, n);
    this.#counters[PACKETS] += filled;
    return this.#capture.on ? this.#capture.received(pkts, filled) : filled;
  }

  /** The port was started: from the file's beginning, or from where another lcore has come. */
  protected restart(): void {
    this.#ended = false;
    this.#guard(() => {
      if (this.#file === null) this.#file = CaptureFile.open(this.#path);
      else this.#file.rewind();
      for (let i = this.#counters[TAKEN]; i > 0 && this.next() !== null; i--);
    });
  }

  /**
   * The next Ethernet packet, null at the end; an infinite file has none only if there is no such packet.
   */
  protected next(): Readonly<CapturedPacket> | null {
    let found: Readonly<CapturedPacket> | undefined;
    this.#guard(() => {
      found = this.#ethernet();
      if (found !== undefined || !this.#infinite) return;
      this.#file?.rewind();
      found = this.#ethernet();
      if (found === undefined) this.#warn('no packet of Ethernet for infinite_rx to repeat');
    });
    if (found === undefined) this.#ended = true;
    return found ?? null;
  }

  #ethernet(): Readonly<CapturedPacket> | undefined {
    for (;;) {
      const packet = this.#file?.next();
      if (packet === undefined || packet.linkType === ETHERNET) return packet;
      this.#counters[ERRORS]++;
      if (!this.#foreign)
        this.#warn(
          `packets of link type ${packet.linkType} are left out, this port has Ethernet (${ETHERNET})`,
        );
      this.#foreign = true;
    }
  }

  #warn(what: string): void {
    warn({ code: 'VPCI_CAPTURE_FILE', message: `${this.#path}: ${what}` });
  }

  /** A burst never throws: a file that turns out wrong has ended there, with one warning. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#ended = true;
      this.#counters[ERRORS]++;
      warn({ code: 'VPCI_DEVICE_REPORT', message: (error as Error).message });
    }
  }

  /** Copies a packet into an mbuf, and into more behind it if it is long. False if there are none. */
  #fill(pool: Mempool, first: number, packet: Readonly<CapturedPacket>): boolean {
    const { bytes, offset, length } = packet;
    const extra = Math.ceil(length / pool.dataRoom) - 1;
    if (extra > 0 && !this.#allocMore(pool, extra)) return false;
    let mbuf = first;
    for (let done = 0, i = 0; ; i++) {
      const part = Math.min(length - done, pool.dataRoom);
      const at = mbuf * pool.stride + pool.dataOff[mbuf];
      pool.bytes.set(bytes.subarray(offset + done, offset + done + part), at);
      pool.dataLen[mbuf] = part;
      done += part;
      if (i >= extra || this.#more === null) break;
      pool.next[mbuf] = this.#more.ids[i];
      mbuf = this.#more.ids[i];
    }
    pool.pktLen[first] = length;
    return true;
  }

  #allocMore(pool: Mempool, extra: number): boolean {
    if (this.#more?.pool !== pool) this.#more = pool.vector(MAX_SEGMENTS);
    if (extra <= MAX_SEGMENTS && pool.alloc(this.#more, extra) > 0) return true;
    if (extra > MAX_SEGMENTS || pool.count <= extra) {
      // It would never find room: it is lost, and those behind it are not.
      this.#counters[ERRORS]++;
      this.#waiting = null;
      this.#counters[TAKEN]++;
    }
    return false;
  }
}

/** Makes the file, with its header and nothing else; no other process makes it until it is closed. */
export function createCapture(path: string): FileSink {
  const file = new FileSink(path);
  try {
    new PcapWriter({ sink: file.write, interfaces: [{}], nanoseconds: true }).flush();
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Transmits nowhere: DPDK's net_pcap without a transmit argument drops packets and counts them as sent. */
export class DropTxQueue implements TxQueue {
  protected readonly counters: Float64Array;
  /** Valid packets of this burst that have not gone where they go. */
  protected readonly lost = { packets: 0, bytes: 0 };
  readonly #capture: CapturePoint;

  constructor(spec: QueueSpec) {
    this.#capture = new CapturePoint(spec);
    this.counters = new Float64Array(dataOf(spec).counters);
  }

  burst(pkts: MbufVector, first: number, end: number): number {
    const { pool, ids, capacity } = pkts;
    const from = first >>> 0;
    const to = end >>> 0 < capacity ? end >>> 0 : capacity;
    if (to <= from || this.counters[STARTED] === 0) return 0;
    const captured = this.#capture.on;
    if (captured) this.#capture.sending(pkts, from, to);
    const written = this.write(pkts, from, to);
    let bytes = 0;
    let errors = 0;
    for (let i = from; i < to; i++) {
      if (ids[i] >= pool.count || !written) errors++;
      else bytes += pool.pktLen[ids[i]];
    }
    pool.free(pkts, from, to);
    errors += this.lost.packets;
    bytes -= this.lost.bytes;
    this.lost.packets = 0;
    this.lost.bytes = 0;
    this.counters[PACKETS] += to - from - errors;
    this.counters[BYTES] += bytes;
    this.counters[ERRORS] += errors;
    return captured ? this.#capture.sent(to - from) : to - from;
  }

  /** Whether the packets have gone where they go. */
  protected write(_pkts: MbufVector, _from: number, _to: number): boolean {
    return true;
  }
}

export class PcapTxQueue extends DropTxQueue {
  readonly #path: string;
  #generation = -1;
  #writer: PcapWriter | null = null;
  #file: FileSink | null = null;
  #failed = false;
  readonly #header = blankHeader('out');

  constructor(spec: QueueSpec) {
    super(spec);
    this.#path = dataOf(spec).path;
  }

  protected override write(pkts: MbufVector, from: number, to: number): boolean {
    try {
      if (this.#generation !== this.counters[GENERATION]) this.#restart();
      if (this.#writer === null) return false;
      this.#writeAll(this.#writer, pkts, from, to);
      this.#writer.flush();
      return true;
    } catch (error) {
      if (!this.#failed) warn({ code: 'VPCI_CAPTURE_LOST', message: (error as Error).message });
      this.#failed = true;
      return false;
    }
  }

  /** The port has made the file: what this queue writes goes behind what is there. */
  #restart(): void {
    this.#generation = this.counters[GENERATION];
    this.#file?.close();
    this.#file = new FileSink(this.#path, 'a');
    this.#writer = new PcapWriter({
      sink: without(this.#file.write, PCAP_HEADER),
      interfaces: [{}],
      nanoseconds: true,
    });
  }

  #writeAll(writer: PcapWriter, { pool, ids }: MbufVector, from: number, to: number): void {
    const now = performance.timeOrigin + performance.now();
    this.#header.seconds = Math.floor(now / 1000);
    this.#header.nanoseconds = Math.floor((now % 1000) * (NANO / 1000));
    for (let i = from; i < to; i++) if (ids[i] < pool.count) this.#writeOne(writer, pool, ids[i]);
  }

  #writeOne(writer: PcapWriter, pool: Mempool, first: number): void {
    const header = this.#header;
    header.originalLength = pool.pktLen[first];
    header.length = Math.min(header.originalLength, MAX_CAPTURED);
    copyPacket(writer.bytes, writer.begin(header), header.length, pool, first);
  }
}

/** A sink that is not given the first `count` bytes. */
function without(sink: Sink, count: number): Sink {
  let left = count;
  return (bytes, length) => {
    const dropped = Math.min(left, length);
    left -= dropped;
    if (length > dropped) sink(bytes.subarray(dropped), length - dropped);
  };
}
