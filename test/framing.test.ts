// SPDX-License-Identifier: BSD-3-Clause
// Every legal framing (VIRTIO 1.2, 2.7.4.2 and 5.1.6): header and data split anywhere over chains and
// indirect tables, buffers of any size, rings of any size and start index, both kinds of ring, both
// directions. The received bytes are compared with a model of a few lines.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_HDR } from '../src/abi/virtio-net.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
  VRING_PACKED_WRAP,
} from '../src/abi/virtio-ring.ts';
import { type MbufVector, Mempool } from '../src/ethdev/mempool.ts';
import {
  type MappingHandle,
  type MemoryHandle,
  native,
  QUEUE_RUNNING,
  type QueueHandle,
} from '../src/native.ts';
import { features } from '../src/virtio/features.ts';
import type { Segment } from './support/scripted-memory.ts';
import { ScriptedPackedRing } from './support/scripted-packed-ring.ts';
import { ScriptedRing } from './support/scripted-ring.ts';

const GPA = 0x4000_0000n;
const BYTES = 4 << 20;
const PLACE = { desc: 0, avail: 0x4000, used: 0x8000 };
const NUM_BUFFERS = VIRTIO_NET_HDR.fields.num_buffers.offset;
/** Less is not a frame: it is dropped and returned to the peer. */
const ETHERNET_HEADER = 14;
const BURST = 32;
const RUNS = Number(process.env.FRAMING_RUNS ?? 300);

/** The layout of one chain. */
interface Shape {
  /** Bytes of the frame, or of the buffer. */
  readonly bytes: number;
  /** Offsets at which it is split. */
  readonly cuts: readonly number[];
  readonly indirect: boolean;
  /** Segments before the indirect table; in split rings only. */
  readonly direct: number;
}

interface Round {
  readonly chains: readonly Shape[];
  readonly hold: boolean;
  /** Packets that the application requests, or sizes of those that it sends. */
  readonly ask: number;
  readonly frames: readonly number[];
}

interface Session {
  readonly size: number;
  readonly start: number;
  readonly inOrder: boolean;
  readonly mergeable: boolean;
  readonly eventIdx: boolean;
  /** Legacy: without VERSION_1. */
  readonly legacy: boolean;
  /**
   * Packet bytes per mbuf: received packets are split at this size, and sent ones are built from such pieces.
   */
  readonly dataRoom: number;
  readonly rounds: readonly Round[];
}

const sessions = (packed: boolean): fc.Arbitrary<Session> => {
  const shape = fc.record({
    bytes: fc.oneof(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 60, max: 3000 })),
    cuts: fc.oneof(fc.array(fc.nat(40), { maxLength: 6 }), fc.array(fc.nat(3100), { maxLength: 6 })),
    indirect: fc.boolean(),
    direct: fc.nat(2),
  });
  const round = fc.record({
    chains: fc.array(shape, { maxLength: 10 }),
    hold: fc.boolean(),
    ask: fc.nat(BURST),
    frames: fc.array(fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 9000 })), {
      maxLength: 8,
    }),
  });
  return fc.record({
    size: packed ? fc.integer({ min: 1, max: 33 }) : fc.constantFrom(1, 2, 4, 8, 16, 32),
    start: fc.oneof(fc.integer({ min: 0xfff0, max: 0xffff }), fc.nat(0xffff)),
    inOrder: fc.boolean(),
    mergeable: fc.boolean(),
    eventIdx: fc.boolean(),
    legacy: packed ? fc.constant(false) : fc.boolean(),
    dataRoom: fc.constantFrom(64, 128, 512, 2048),
    rounds: fc.array(round, { minLength: 1, maxLength: 12 }),
  });
};

/** VIRTIO 1.2, 5.1.6.1: a legacy header has no num_buffers unless MRG_RXBUF was negotiated. */
const headerBytes = ({ legacy, mergeable }: Session): number =>
  legacy && !mergeable ? NUM_BUFFERS : VIRTIO_NET_HDR.size;

/** Lengths of the pieces; none is empty. */
function pieces(total: number, cuts: readonly number[]): number[] {
  const at = [...new Set(cuts.filter((cut) => cut > 0 && cut < total))].sort((a, b) => a - b);
  return [...at, total].map((end, i) => end - (at[i - 1] ?? 0));
}

/**
 * Adapts a shape to this ring's current state: it may not have more pieces than the ring has entries, or than
 * are free.
 */
function layOut(
  ring: ScriptedRing | ScriptedPackedRing,
  { bytes, cuts, indirect, direct }: Shape,
  size: number,
) {
  const inFront = ring instanceof ScriptedRing && indirect ? direct : 0;
  const most = indirect ? size : ring.free;
  const lengths = pieces(bytes, cuts.slice(0, Math.max(0, most - 1)));
  const front = Math.min(inFront, lengths.length - 1, ring.free - 1);
  return { lengths, options: { indirect, direct: front, hold: true } };
}

let mapping: MappingHandle;
let table: MemoryHandle;
const closers: (() => void)[] = [];

beforeAll(() => {
  mapping = native.mapAnonymous(BYTES, false);
  table = native.memoryCreate([{ gpa: GPA, size: BigInt(BYTES), mapping, offset: 0 }]);
});
const close = () => {
  for (const closer of closers.splice(0).reverse()) closer();
};
afterEach(close);
afterAll(() => {
  native.memoryDestroy(table);
  native.unmap(mapping);
});

class Bench {
  readonly ring: ScriptedRing | ScriptedPackedRing;
  readonly queue: QueueHandle;
  readonly pool: Mempool;
  readonly pkts: MbufVector;
  readonly session: Session;

  constructor(role: 'rx' | 'tx', packed: boolean, session: Session) {
    const { size, start, inOrder } = session;
    this.session = session;
    const startIndex = packed ? (start & VRING_PACKED_WRAP) | ((start & 0xff) % size) : start;
    this.ring = new (packed ? ScriptedPackedRing : ScriptedRing)({
      memory: native.mappingBuffer(mapping),
      gpa: GPA,
      ring: { ...PLACE, size },
      buffers: { first: 0x10000, end: BYTES },
      startIndex,
      inOrder,
    });
    this.queue = native.queueCreate(role);
    const bits = features(
      VIRTIO_F_RING_INDIRECT_DESC,
      ...(session.legacy ? [] : [VIRTIO_F_VERSION_1]),
      ...(packed ? [VIRTIO_F_RING_PACKED] : []),
      ...(inOrder ? [VIRTIO_F_IN_ORDER] : []),
      ...(session.mergeable ? [VIRTIO_NET_F_MRG_RXBUF] : []),
      ...(session.eventIdx ? [VIRTIO_F_RING_EVENT_IDX] : []),
    );
    native.queueStart(this.queue, { memory: table, ...this.ring.setup(), features: bits, notifyFd: -1 });
    this.pool = new Mempool({ count: 2048, dataRoom: session.dataRoom, hugepages: false });
    this.pkts = this.pool.vector(256);
    closers.push(() => {
      native.queueDestroy(this.queue);
      this.pool.close();
    });
  }

  /** The bytes of a packet in mbufs. */
  packet(first: number): Uint8Array {
    const { pool } = this;
    const parts: Uint8Array[] = [];
    for (let id = first; id !== 0xffff_ffff; id = pool.next[id]) {
      const at = id * pool.stride + pool.dataOff[id];
      parts.push(pool.bytes.subarray(at, at + pool.dataLen[id]));
    }
    return Uint8Array.from(Buffer.concat(parts));
  }

  /** Makes `pkts.ids[place]` a packet of these bytes, in mbufs filled as far as possible. */
  fill(place: number, bytes: Uint8Array): void {
    const { pool } = this;
    const vector = this.#segments();
    const count = Math.ceil(bytes.length / pool.dataRoom);
    expect(pool.alloc(vector, count)).toBe(count);
    for (let i = 0; i < count; i++) {
      const id = vector.ids[i];
      const part = bytes.subarray(i * pool.dataRoom, (i + 1) * pool.dataRoom);
      pool.bytes.set(part, id * pool.stride + pool.dataOff[id]);
      pool.dataLen[id] = part.length;
      if (i + 1 < count) pool.next[id] = vector.ids[i + 1];
    }
    pool.pktLen[vector.ids[0]] = bytes.length;
    this.pkts.ids[place] = vector.ids[0];
  }

  #spare: MbufVector | undefined;
  #segments(): MbufVector {
    this.#spare ??= this.pool.vector(256);
    return this.#spare;
  }
}

/** Bytes as a string, because arrays are slow to compare. */
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const frameOf = (bytes: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (seed * 37 + i * 11 + (i >> 8)) & 0xff);

describe.each([
  ['split', false],
  ['packed', true],
] as const)('%s rings', (_, packed) => {
  it('give every packet that the peer sends, whatever its framing', { timeout: 120_000 }, () => {
    const property = fc.property(sessions(packed), (session) => {
      const bench = new Bench('rx', packed, session);
      const { ring, queue, pool, pkts } = bench;
      const header = headerBytes(session);
      const waiting: { id: number; frame: Uint8Array }[] = [];
      let seed = 0;
      let held: typeof waiting = [];
      for (const { chains, hold, ask } of session.rounds) {
        for (const shape of chains) {
          if (ring.free === 0) break;
          const frame = frameOf(shape.bytes, seed++);
          const { lengths, options } = layOut(ring, { ...shape, bytes: header + shape.bytes }, session.size);
          const all = new Uint8Array(header + shape.bytes);
          all.set(frame, header);
          let at = 0;
          const segments = lengths.map((length): Segment => {
            at += length;
            return { data: all.subarray(at - length, at) };
          });
          held.push({ id: ring.post(segments, options), frame });
        }
        if (!hold) {
          ring.publish();
          waiting.push(...held);
          held = [];
        }
        const taken = waiting.splice(0, ask);
        const expected = taken.filter(({ frame }) => frame.length >= ETHERNET_HEADER);
        expect(native.rxBurst(queue, pkts.handle, ask)).toBe(expected.length);
        expect([...pkts.ids.subarray(0, expected.length)].map((id) => text(bench.packet(id)))).toEqual(
          expected.map(({ frame }) => text(frame)),
        );
        expect([...pkts.ids.subarray(0, expected.length)].map((id) => pool.pktLen[id])).toEqual(
          expected.map(({ frame }) => frame.length),
        );
        expect(ring.collect().map(({ id, len }) => [id, len])).toEqual(taken.map(({ id }) => [id, 0]));
        pool.free(pkts, 0, expected.length);
        expect(pool.available).toBe(pool.count);
      }
      expect(native.queueState(queue)).toBe(QUEUE_RUNNING);
      close();
    });
    fc.assert(property, { numRuns: RUNS });
  });

  it("fill the peer's buffers, whatever their shape", { timeout: 120_000 }, () => {
    const property = fc.property(sessions(packed), (session) => {
      const bench = new Bench('tx', packed, session);
      const { ring, queue, pool, pkts } = bench;
      const header = headerBytes(session);
      /** Waiting entries, with the bytes and the slots of each. */
      const waiting: { id: number; room: number; slots: number }[] = [];
      let seed = 0;
      for (const { chains, frames } of session.rounds) {
        for (const shape of chains) {
          if (ring.free === 0) break;
          // The smallest buffer that a driver may post: the header (VIRTIO 1.2, 5.1.6.3.1).
          const room = header + shape.bytes;
          const { lengths, options } = layOut(ring, { ...shape, bytes: room }, session.size);
          const before = ring.free;
          const id = ring.post(
            lengths.map((length) => ({ room: length })),
            options,
          );
          waiting.push({ id, room, slots: packed ? before - ring.free : 1 });
        }
        ring.publish();
        const sent = frames.map((bytes) => frameOf(bytes, seed++));
        for (const [i, frame] of sent.entries()) bench.fill(i, frame);
        const { taken, written } = model(sent, waiting, session);
        expect(native.txBurst(queue, pkts.handle, 0, sent.length)).toBe(taken);
        expect(ring.collect().map((used) => ({ ...used, written: text(used.written) }))).toEqual(written);
        pool.free(pkts, taken, sent.length);
        expect(pool.available).toBe(pool.count);
      }
      expect(native.queueState(queue)).toBe(QUEUE_RUNNING);
      close();
    });
    fc.assert(property, { numRuns: RUNS });
  });
});

/**
 * Removes from `waiting` the entries that the frames fill; returns how many frames are taken: sent, or
 * dropped because they can never be sent.
 */
function model(
  frames: readonly Uint8Array[],
  waiting: { id: number; room: number; slots: number }[],
  session: Session,
) {
  const { size, mergeable } = session;
  const header = headerBytes(session);
  const written: { id: number; len: number; written: string }[] = [];
  for (const [taken, frame] of frames.entries()) {
    const need = header + frame.length;
    let [room, slots, entries] = [0, 0, 0];
    while (room < need && (mergeable || entries === 0) && slots < size && entries < waiting.length) {
      room += waiting[entries].room;
      slots += waiting[entries++].slots;
    }
    if (room < need) {
      // A full ring that is too small, or a single buffer that is too small, will not suffice later either.
      if (slots >= size || (!mergeable && entries === 1)) continue;
      return { taken, written };
    }
    const all = new Uint8Array(need);
    if (header > NUM_BUFFERS) new DataView(all.buffer).setUint16(NUM_BUFFERS, entries, true);
    all.set(frame, header);
    let at = 0;
    for (const { id, room: has } of waiting.splice(0, entries)) {
      const len = Math.min(has, need - at);
      written.push({ id, len, written: text(all.subarray(at, at + len)) });
      at += len;
    }
  }
  return { taken: frames.length, written };
}
