// SPDX-License-Identifier: BSD-3-Clause
// Frames into a pool, and out of it, as queues that a test fills and reads.
import { MBUF_NO_NEXT, type MbufVector, type Mempool } from '../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../ethdev/port.ts';
import { discardMemory } from './discards.ts';
import type { RxPlan, TxPlan } from './plan.ts';

export const TPIDS = { inner: 0x8100, outer: 0x88a8 };

/** Nothing is on but what `other` says. */
export function rxPlan(other: Partial<RxPlan> = {}): RxPlan {
  return {
    unicast: null,
    multicast: null,
    vlan: { strip: false, qinqStrip: false, extend: false, filter: null },
    tpids: TPIDS,
    rules: [],
    rss: null,
    keepsHash: false,
    queues: 0,
    deviceQueues: 1,
    stopped: [],
    discards: discardMemory(other.deviceQueues ?? 1),
    ...other,
  };
}

export function txPlan(other: Partial<TxPlan> = {}): TxPlan {
  return { tags: [], pvid: null, tpids: TPIDS, ...other };
}

/** A device that has received these frames. */
export function deviceWith(frames: readonly Uint8Array[]): RxQueue {
  const left = [...frames];
  return {
    burst(pkts, n) {
      const count = Math.min(n, left.length, pkts.capacity);
      for (let i = 0; i < count; i++) put(pkts, i, left.shift() ?? new Uint8Array());
      return count;
    },
  };
}

/** A device that accepts up to `room` packets, whose frames it keeps. */
export function sink(room: number): { queue: TxQueue; frames: Uint8Array[] } {
  const frames: Uint8Array[] = [];
  const queue: TxQueue = {
    burst(pkts, from, to) {
      const end = Math.min(to, from + room - frames.length);
      for (let i = from; i < end; i++) frames.push(frameOf(pkts.pool, pkts.ids[i]));
      pkts.pool.free(pkts, from, end);
      return end - from;
    },
  };
  return { queue, frames };
}

const single = new WeakMap<Mempool, MbufVector>();

/** Fills `pkts.ids[at]` with a packet; with `first`, its first mbuf holds only that many bytes. */
export function put(pkts: MbufVector, at: number, frame: Uint8Array, first = frame.length): void {
  const { pool } = pkts;
  const one = single.get(pool) ?? pool.vector(2);
  single.set(pool, one);
  const split = first < frame.length;
  pool.alloc(one, split ? 2 : 1, 0);
  const [head = 0, tail = 0] = one.ids;
  write(pool, head, frame.subarray(0, first));
  pool.pktLen[head] = frame.length;
  pool.next[head] = split ? tail : MBUF_NO_NEXT;
  if (split) write(pool, tail, frame.subarray(first));
  pkts.ids[at] = head;
}

function write(pool: Mempool, mbuf: number, bytes: Uint8Array): void {
  pool.bytes.set(bytes, mbuf * pool.stride + pool.dataOff[mbuf]);
  pool.dataLen[mbuf] = bytes.length;
}

export function frameOf(pool: Mempool, first: number): Uint8Array {
  const bytes: number[] = [];
  for (let id = first; id !== MBUF_NO_NEXT; id = pool.next[id]) {
    const start = id * pool.stride + pool.dataOff[id];
    bytes.push(...pool.bytes.subarray(start, start + pool.dataLen[id]));
  }
  if (bytes.length !== pool.pktLen[first]) throw new Error('pktLen is not the length of the segments');
  return Uint8Array.from(bytes);
}

/** All that a queue gives, in bursts of up to 8. */
export function drain(queue: RxQueue, pool: Mempool, pkts: MbufVector): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let n = queue.burst(pkts, 8); n > 0; n = queue.burst(pkts, 8)) {
    for (let i = 0; i < n; i++) frames.push(frameOf(pool, pkts.ids[i]));
    pool.free(pkts, 0, n);
  }
  return frames;
}

const be16 = (value: number) => [(value >>> 8) & 0xff, value & 0xff];

export interface FrameSpec {
  readonly dst?: readonly number[];
  /** TPID and TCI of each tag, outermost first. */
  readonly tags?: readonly (readonly [tpid: number, tci: number])[];
  readonly protocol?: number;
  readonly src?: readonly number[];
  readonly ports?: readonly [source: number, destination: number];
}

/** An IPv4 frame of 46 bytes and its tags. */
export function frame({ dst, tags = [], protocol = 17, src, ports = [1, 2] }: FrameSpec = {}): Uint8Array {
  const ip = [0x45, 0, 0, 32, 0, 0, 0, 0, 64, protocol, 0, 0, ...(src ?? [10, 0, 0, 1]), 10, 0, 0, 2];
  return Uint8Array.from([
    ...(dst ?? [2, 0, 0, 0, 0, 1]),
    ...[2, 0, 0, 0, 0, 9],
    ...tags.flatMap(([tpid, tci]) => [...be16(tpid), ...be16(tci)]),
    ...[8, 0],
    ...ip,
    ...be16(ports[0]),
    ...be16(ports[1]),
    ...[0, 12, 0, 0],
    ...[1, 2, 3, 4],
  ]);
}
