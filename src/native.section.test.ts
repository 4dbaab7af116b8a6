// SPDX-License-Identifier: BSD-3-Clause
// Queues of sections through the addon (docs/device-abi.md, "RFC 2.1").
import { readFileSync } from 'node:fs';
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSectionPair, type SectionPair } from '../test/support/section-pair.ts';
import { Mempool } from './ethdev/mempool.ts';
import {
  IN_PLACE_MAX,
  type MappingHandle,
  native,
  QUEUE_BROKEN,
  QUEUE_RUNNING,
  QUEUE_STOPPED,
  QUEUE_STUCK,
  type SectionSetup,
} from './native.ts';

let pair: SectionPair;
let pool: Mempool;

beforeEach(() => {
  pair = openSectionPair();
  pool = new Mempool({ count: 256 });
});

afterEach(() => {
  pair.close();
  pool.close();
});

const errorOf = (action: () => unknown): NodeJS.ErrnoException => {
  try {
    action();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error('nothing was thrown');
};

const MTU_ROOM = 1518;

/** Sends one frame of `length` bytes of `fill`; returns how many were taken. */
function send(from: SectionPair, length: number, fill: number): number {
  const pkts = pool.vector(1);
  if (native.poolAlloc(pkts.handle, 1) !== 1) throw new Error('the pool is empty');
  const id = pkts.ids[0] as number;
  const start = id * pool.stride + (pool.dataOff[id] as number);
  pool.bytes.fill(fill, start, start + length);
  pool.dataLen[id] = length;
  pool.pktLen[id] = length;
  const taken = native.txBurst(from.tx, pkts.handle, 0, 1);
  if (taken === 0) native.poolFree(pkts.handle, 0, 1);
  return taken;
}

describe('a queue of a section', () => {
  it('sends a frame into our section, and receives one from a section mapped for reading only', () => {
    expect(send(pair, 60, 7)).toBe(1);
    const { addr, len, flags } = pair.descriptor(pair.own, 0);
    expect({ addr, len, flags }).toEqual({ addr: pair.setup.dataOffset, len: 60, flags: 0 });
    expect(pair.own.getUint8(addr + 59)).toBe(7);

    const at = pair.setup.dataOffset + 100;
    for (let i = 0; i < 60; i++) pair.peer.setUint8(at + i, i);
    pair.peer.setBigUint64(0, BigInt(at), true);
    pair.peer.setUint32(8, 60, true);
    pair.peer.setUint16(16 * pair.setup.entries + 2, 1, true);
    const pkts = pool.vector(4);
    expect(native.rxBurst(pair.rx, pkts.handle, 4)).toBe(1);
    const id = pkts.ids[0] as number;
    expect(pool.pktLen[id]).toBe(60);
    expect(pool.bytes[id * pool.stride + (pool.dataOff[id] as number) + 59]).toBe(59);
    expect(pair.own.getUint16(pair.setup.usedOffset + 2, true)).toBe(1);
    expect(pair.own.getUint32(pair.setup.usedOffset + 8, true)).toBe(1);
  });

  it('sends in place what the application writes into our section', () => {
    expect(native.txReserve(pair.tx, 2)).toBe(2);
    const slots = new Uint32Array(native.queueSlots(pair.tx));
    expect(slots[3 * IN_PLACE_MAX]).toBe(pair.setup.own.mapping);
    expect(slots[IN_PLACE_MAX]).toBe(MTU_ROOM);
    pair.own.setUint8(slots[0] as number, 99);
    slots[2 * IN_PLACE_MAX] = 64;
    expect(native.txCommit(pair.tx, 1)).toBe(1);
    const { addr, len } = pair.descriptor(pair.own, 0);
    expect(len).toBe(64);
    expect(pair.own.getUint8(addr)).toBe(99);
    // What was reserved beyond is free again.
    expect(send(pair, 60, 1)).toBe(1);
    expect(pair.descriptor(pair.own, 1).addr).toBe(addr + 64);
  });

  it('wakes nobody who does not ask, and the one who does', () => {
    pair.close();
    const notifyFd = native.eventfd();
    pair = openSectionPair(undefined, { notifyFd });
    const wakeAt = (index: number) =>
      pair.peer.setUint16(pair.setup.usedOffset + 4 + 8 * pair.setup.entries, index & 0xffff, true);
    wakeAt(-1);
    send(pair, 60, 1);
    expect(native.eventfdDrain(notifyFd)).toBe(0n);
    wakeAt(1);
    send(pair, 60, 1);
    expect(native.eventfdDrain(notifyFd)).toBe(1n);
    native.close(notifyFd);
  });

  it('arms: for a frame on one side, for room on the other', () => {
    const { entries, usedOffset } = pair.setup;
    expect(native.queueArm(pair.rx)).toBe(true);
    expect(pair.own.getUint16(usedOffset + 4 + 8 * entries, true)).toBe(0);
    native.queueDisarm(pair.rx);
    expect(pair.own.getUint16(usedOffset + 4 + 8 * entries, true)).toBe(0xffff);
    expect(native.queueArm(pair.tx)).toBe(false);
    while (send(pair, 1518, 1) === 1);
    expect(native.queueArm(pair.tx)).toBe(true);
    pair.returnFrames(1);
    expect(native.queueArm(pair.tx)).toBe(false);
  });

  it('stops when it is asked to, and starts again from the first entry', () => {
    send(pair, 60, 1);
    expect(native.queueQuiesce(pair.tx)).toBe(1);
    expect(native.queueState(pair.tx)).toBe(QUEUE_STOPPED);
    native.queueStartSection(pair.tx, pair.setup);
    expect(native.queueState(pair.tx)).toBe(QUEUE_RUNNING);
    expect(pair.own.getUint16(16 * pair.setup.entries + 2, true)).toBe(0);
  });

  it('is broken by what ivshmem-net never does, alone', () => {
    send(pair, 60, 1);
    pair.peer.setUint16(pair.setup.usedOffset + 2, 2, true);
    send(pair, 60, 1);
    expect(native.queueState(pair.tx)).toBe(QUEUE_BROKEN);
    expect(native.queueState(pair.rx)).toBe(QUEUE_RUNNING);
    pair.peer.setUint16(16 * pair.setup.entries + 2, pair.setup.entries + 1, true);
    native.rxBurst(pair.rx, pool.vector(4).handle, 4);
    expect(native.queueState(pair.rx)).toBe(QUEUE_BROKEN);
  });

  it('keeps both sections mapped while a burst does not come back', () => {
    const mapped = () => readFileSync('/proc/self/maps', 'utf8').match(/ r--s .*memfd:section/g)?.length ?? 0;
    // The pair of this test's queues is there too.
    const others = mapped();
    const stuck = openSectionPair();
    expect(native.txReserve(stuck.tx, 1)).toBe(1);
    expect(native.queueQuiesce(stuck.tx, 10)).toBe(QUEUE_STUCK);
    expect(errorOf(() => native.queueStartSection(stuck.tx, stuck.setup)).code).toBe('EBUSY');
    stuck.unmap();
    expect(mapped() - others).toBe(1);
    expect(native.txCommit(stuck.tx, 1)).toBe(0);
    native.queueDestroy(native.queueCreate('rx'));
    expect(mapped() - others).toBe(0);
    stuck.close();
  });

  it('takes no part in what is for other queues', () => {
    expect(native.returnBurst(pair.tx, 32, 60)).toBe(0);
    expect(native.touchBurst(pair.tx, 32, 60)).toBe(0);
    expect(native.returnAcross(pair.rx, pair.tx, 32, 60)).toBe(0);
    expect(native.touchAcross(pair.rx, pair.tx, 32, 60)).toBe(0);
    expect(native.chainTake(pair.tx)).toBeNull();
    expect(native.chainReturn(pair.tx, 0, 0)).toBe(false);
  });
});

describe('a start', () => {
  const start = (change: Partial<Record<keyof SectionSetup, unknown>>) => {
    const queue = native.queueCreate('tx');
    const error = errorOf(() =>
      native.queueStartSection(queue, { ...pair.setup, ...change } as SectionSetup),
    );
    native.queueDestroy(queue);
    return error;
  };
  const { mapping } = { mapping: 999_999 as MappingHandle };

  it('refuses parts that do not lie in their mappings', () => {
    const { own, peer, size } = pair.setup;
    expect(start({ own: { ...own, offset: 64 } }).code).toBe('ERANGE');
    expect(start({ peer: { ...peer, offset: 64 } }).code).toBe('ERANGE');
    expect(start({ size: size + 1 }).code).toBe('ERANGE');
    expect(start({ own: { ...own, offset: Number.MAX_SAFE_INTEGER } }).code).toBe('ERANGE');
    expect(start({ own: { mapping, offset: 0 } }).code).toBe('EBADF');
    // Ours is written to.
    expect(start({ own: peer }).code).toBe('EACCES');
  });

  it('refuses a layout that is misaligned, overlaps or has no room', () => {
    const { own, entries, usedOffset, dataOffset, size } = pair.setup;
    expect(start({ own: { ...own, offset: 8 }, size: size - 64 }).code).toBe('EINVAL');
    expect(start({ usedOffset: usedOffset + 4 }).code).toBe('EINVAL');
    expect(start({ dataOffset: dataOffset + 32 }).code).toBe('EINVAL');
    expect(start({ usedOffset: usedOffset - 64 }).code).toBe('ERANGE');
    expect(start({ dataOffset: dataOffset - 64 }).code).toBe('ERANGE');
    expect(start({ dataOffset: size }).code).toBe('ERANGE');
    expect(start({ dataOffset: size + 64 }).code).toBe('ERANGE');
    expect(start({ maxFrame: 65_550 }).code).toBe('ERANGE');
    for (const wrong of [0, 16, entries - 1, 8192]) expect(start({ entries: wrong }).code).toBe('EINVAL');
  });

  it('refuses arguments of the wrong kind, by name', () => {
    expect(start({ headerBytes: 10 }).message).toBe('headerBytes must be 0 or 12');
    expect(start({ maxFrame: 13 }).message).toMatch(/^maxFrame must be an integer from 14 to 65550/);
    expect(start({ own: undefined }).message).toBe('own must be an object, not undefined');
    expect(start({ features: 0 })).toBeInstanceOf(TypeError);
    expect(errorOf(() => native.queueStartSection(pair.tx, pair.setup)).code).toBe('EBUSY');
  });
});

/**
 * The sender's byte ring as its rules say (docs/device-abi.md, "Rings of a section"). A frame begins at a
 * multiple of 64 behind the last one, or at the start of the data: where it does not fit, and where a lap
 * ends.
 */
class ByteRing {
  readonly frames: { begin: number; end: number; length: number; fill: number }[] = [];
  readonly #bytes: number;
  readonly #entries: number;
  /** Ends of all frames ever put, without those taken out again. */
  readonly #ends: number[] = [];
  #tail = 0;
  #lapBegin = 0;
  #turn = 32;

  constructor(bytes: number, entries: number) {
    this.#bytes = bytes & ~63;
    this.#entries = entries;
  }

  put(length: number, fill: number): boolean {
    if (this.frames.length === this.#entries) return false;
    const begin = this.#place(length);
    if (begin === null) return false;
    this.frames.push({ begin, end: begin + length, length, fill });
    this.#ends.push(begin + length);
    return true;
  }

  takeOut(): void {
    this.frames.pop();
    this.#ends.pop();
  }

  shorten(index: number, length: number): void {
    const frame = this.frames[index];
    if (!frame) throw new Error('unreachable');
    frame.length = length;
    frame.end = frame.begin + length;
    this.#ends[this.#ends.length - this.frames.length + index] = frame.end;
  }

  returned(n: number): void {
    for (const frame of this.frames.splice(0, n)) this.#tail = frame.end;
  }

  #place(length: number): number | null {
    const head = this.#ends.at(-1) ?? 0;
    const next = this.#ends.length;
    const empty = this.frames.length === 0;
    const begin = (head + 63) & ~63;
    const fits = begin + length <= (empty || head > this.#tail ? this.#bytes : this.#tail);
    if (next === this.#turn) {
      const lap = next - this.#lapBegin;
      this.#turn = next + Math.min(lap, this.#entries);
      if (fits && lap < this.#entries && head <= this.#bytes / 2) return begin;
    } else if (fits) {
      return begin;
    }
    if (!empty && !(head > this.#tail && length <= this.#tail)) return fits ? begin : null;
    if (empty) this.#tail = 0;
    this.#lapBegin = next;
    this.#turn = next + 32;
    return 0;
  }
}

describe('the byte ring', () => {
  const step = fc.oneof(
    fc.record({ send: fc.integer({ min: 14, max: MTU_ROOM }) }),
    fc.record({
      reserve: fc.integer({ min: 1, max: 8 }),
      commit: fc.array(fc.integer({ min: 1, max: 1518 })),
    }),
    fc.record({ back: fc.integer({ min: 1, max: 12 }) }),
    // As laps are made of.
    fc.record({ back: fc.constant(1) }),
    fc.record({ send: fc.constant(60) }),
  );

  property.prop([fc.array(step, { maxLength: 300 })], { numRuns: 60 })(
    'puts every frame where its rules say, whole and beside the others',
    (steps) => {
      const own = openSectionPair(0x6000);
      const { entries, dataOffset, size } = own.setup;
      const ring = new ByteRing(size - dataOffset, entries);
      let next = 0;
      const expectFrame = (begin: number, length: number) => {
        const { addr, len, flags } = own.descriptor(own.own, next++ % entries);
        expect({ addr, len, flags }).toEqual({ addr: dataOffset + begin, len: length, flags: 0 });
      };
      try {
        for (const [fill, action] of steps.entries()) {
          if ('send' in action) {
            const put = ring.put(action.send, fill);
            expect(send(own, action.send, fill)).toBe(put ? 1 : 0);
            if (put) expectFrame(ring.frames.at(-1)?.begin ?? -1, action.send);
          } else if ('back' in action) {
            const n = Math.min(action.back, ring.frames.length);
            for (const { begin, length, fill } of ring.frames.slice(0, n)) {
              const bytes = new Uint8Array(own.own.buffer, dataOffset + begin, length);
              expect(bytes.every((byte) => byte === fill)).toBe(true);
            }
            own.returnFrames(n);
            ring.returned(n);
          } else {
            commit(own, ring, action.reserve, action.commit, fill, expectFrame);
          }
        }
        expect(native.queueState(own.tx)).toBe(QUEUE_RUNNING);
      } finally {
        own.close();
      }
    },
  );

  /** Reserves, and sends as many as there are lengths, each with room for the largest. */
  function commit(
    { tx, own }: SectionPair,
    ring: ByteRing,
    reserve: number,
    lengths: readonly number[],
    fill: number,
    expectFrame: (begin: number, length: number) => void,
  ): void {
    const before = ring.frames.length;
    for (let i = 0; i < reserve && ring.put(MTU_ROOM, fill); i++);
    const reserved = native.txReserve(tx, reserve);
    expect(reserved).toBe(ring.frames.length - before);
    const slots = new Uint32Array(native.queueSlots(tx));
    const sent = Math.min(reserved, lengths.length);
    for (let i = 0; i < sent; i++) {
      const length = lengths[i] as number;
      ring.shorten(before + i, length);
      new Uint8Array(own.buffer, slots[i] as number, length).fill(fill);
      slots[2 * IN_PLACE_MAX + i] = length;
    }
    expect(native.txCommit(tx, sent)).toBe(sent);
    while (ring.frames.length > before + sent) ring.takeOut();
    for (const { begin, length } of ring.frames.slice(before)) expectFrame(begin, length);
  }
});
