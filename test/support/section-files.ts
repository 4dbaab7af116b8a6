// SPDX-License-Identifier: BSD-3-Clause
// Two plain files on tmpfs, a side each, and the port of this process on one of them.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probePort } from '../../src/drivers/registry.ts';
import { openRxQueue, openTxQueue } from '../../src/drivers/table.ts';
import { type MbufVector, Mempool } from '../../src/ethdev/mempool.ts';
import type { Port, RxQueue, TxQueue } from '../../src/ethdev/port.ts';

export class SectionFiles {
  readonly folder = mkdtempSync('/dev/shm/vpci-files-');
  readonly paths: readonly [string, string] = [join(this.folder, 'a'), join(this.folder, 'b')];

  constructor(bytes = 0x80000) {
    for (const path of this.paths) {
      writeFileSync(path, '');
      truncateSync(path, bytes);
    }
  }

  /** The device string of an end, with further arguments. */
  device(end: 0 | 1, more = '', name = 'net_ivshmem0'): string {
    const [own, peer] = end === 0 ? this.paths : this.paths.toReversed();
    return `${name},own=${own},peer=${peer}${more}`;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const BURST = 32;

/** A started port of this process whose frames a test makes and compares. */
export class FramePort {
  readonly port: Port;
  readonly pool = new Mempool({ count: 512, dataRoom: 16_384, hugepages: false });
  readonly #rx: RxQueue[];
  readonly #tx: TxQueue[];
  readonly #pkts: MbufVector = this.pool.vector(BURST);
  /** For the segments of one frame, by their number. */
  readonly #parts = new Map<number, MbufVector>();

  /** A device string, or a port that is stopped; it is closed with this. */
  constructor(device: string | Port, queues = 1) {
    this.port = typeof device === 'string' ? probePort(device) : device;
    this.port.configure({ rxQueues: queues, txQueues: queues });
    this.port.start();
    const all = Array.from({ length: queues }, (_, queue) => queue);
    this.#rx = all.map((queue) => openRxQueue(this.port.rxQueueSpec(queue)));
    this.#tx = all.map((queue) => openTxQueue(this.port.txQueueSpec(queue)));
  }

  /**
   * Sends frames in order, up to a burst; returns how many were taken. Long frames become chains of mbufs.
   */
  send(frames: readonly Uint8Array[], queue = 0): number {
    const n = Math.min(frames.length, BURST);
    for (let i = 0; i < n; i++) this.#pkts.ids[i] = this.#make(frames[i] as Uint8Array);
    const taken = this.#tx[queue]?.burst(this.#pkts, 0, n) ?? 0;
    this.pool.free(this.#pkts, taken, n);
    return taken;
  }

  receive(queue = 0): Uint8Array[] {
    const n = this.#rx[queue]?.burst(this.#pkts, BURST) ?? 0;
    const frames = Array.from(this.#pkts.ids.subarray(0, n), (id) => this.#read(id));
    this.pool.free(this.#pkts, 0, n);
    return frames;
  }

  close(): void {
    this.port.close();
    this.pool.close();
  }

  #make(frame: Uint8Array): number {
    const { pool } = this;
    const segments = Math.max(1, Math.ceil(frame.length / pool.dataRoom));
    const parts = this.#parts.get(segments) ?? pool.vector(segments);
    this.#parts.set(segments, parts);
    pool.alloc(parts, segments);
    parts.ids.forEach((id, i) => {
      const bytes = frame.subarray(i * pool.dataRoom, (i + 1) * pool.dataRoom);
      pool.bytes.set(bytes, id * pool.stride + pool.dataOff[id]);
      pool.dataLen[id] = bytes.length;
      pool.next[id] = i + 1 < segments ? parts.ids[i + 1] : 0xffff_ffff;
    });
    const first = parts.ids[0];
    pool.pktLen[first] = frame.length;
    return first;
  }

  #read(first: number): Uint8Array {
    const { pool } = this;
    const frame = new Uint8Array(pool.pktLen[first]);
    let at = 0;
    for (let id = first; id !== 0xffff_ffff; id = pool.next[id]) {
      const start = id * pool.stride + pool.dataOff[id];
      frame.set(pool.bytes.subarray(start, start + pool.dataLen[id]), at);
      at += pool.dataLen[id];
    }
    return frame;
  }
}

/** A frame whose bytes depend on `seed`. */
export function frameOf(length: number, seed: number): Uint8Array {
  const frame = new Uint8Array(length);
  for (let i = 0; i < length; i++) frame[i] = (seed * 31 + i * 7 + (i >> 8)) & 0xff;
  // A unicast destination, so that nobody takes it for anything else.
  frame[0] = 2;
  return frame;
}
