// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GPA, type Loopback, openLoopback } from '../test/support/loopback.ts';
import { Mempool } from './ethdev/mempool.ts';
import {
  type DriverQueueHandle,
  NO_NEXT,
  native,
  QUEUE_BROKEN,
  QUEUE_COUNTERS,
  QUEUE_RUNNING,
  QUEUE_STOPPED,
  QUEUE_STUCK,
  type QueueHandle,
  type VectorHandle,
} from './native.ts';

const FRAME = Uint8Array.from({ length: 64 }, (_, i) => (i < 6 ? 2 : i));

let loop: Loopback;
let pool: Mempool;

beforeEach(() => {
  loop = openLoopback(FRAME);
  pool = new Mempool({ count: 128 });
});

afterEach(() => {
  loop.close();
  pool.close();
});

const counter = (queue: QueueHandle, name: (typeof QUEUE_COUNTERS)[number]) =>
  Number(new BigUint64Array(native.queueStats(queue))[QUEUE_COUNTERS.indexOf(name)]);

const PAGES = 8 * 4096;

function stuckMapping() {
  const fd = native.memfdCreate('stuck', PAGES, false);
  const mapping = native.mapFd(fd, 0, PAGES, true);
  native.close(fd);
  return mapping;
}

const errorOf = (action: () => unknown): NodeJS.ErrnoException => {
  try {
    action();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error('nothing was thrown');
};

describe('packets', () => {
  it('travel from the peer through the pool and back, with the metadata set', () => {
    const pkts = pool.vector(32);
    expect(native.driverGenerate(loop.peerTx, 20)).toBe(20);
    expect(native.rxBurst(loop.rx, pkts.handle, 32)).toBe(20);
    expect(pool.available).toBe(108);
    const id = pkts.ids[3];
    expect(pool.dataOff[id]).toBe(128);
    expect(pool.dataLen[id]).toBe(64);
    expect(pool.pktLen[id]).toBe(64);
    expect(pool.next[id]).toBe(NO_NEXT);
    const start = id * pool.stride + pool.dataOff[id];
    expect([...pool.bytes.subarray(start, start + 42)]).toEqual([...FRAME.subarray(0, 42)]);
    expect(pool.bytes[start + 42]).toBe(3);
    expect(native.txBurst(loop.tx, pkts.handle, 0, 20)).toBe(20);
    expect(pool.available).toBe(128);
    expect(native.driverReceive(loop.peerRx, 64, true)).toBe(20);
    expect([...new BigUint64Array(native.driverQueueStats(loop.peerRx))].slice(0, 6)).toEqual([
      20n,
      1280n,
      0n,
      0n,
      0n,
      0n,
    ]);
    expect(counter(loop.rx, 'good_packets')).toBe(20);
    expect(counter(loop.rx, 'good_bytes')).toBe(1280);
    expect(counter(loop.rx, 'size_64_packets')).toBe(20);
    expect(counter(loop.tx, 'good_packets')).toBe(20);
  });

  it('are received with their sequence numbers and the time', () => {
    const pkts = pool.vector(32);
    const arrivals = new Float64Array(native.driverArrivals(loop.peerRx));
    native.driverGenerate(loop.peerTx, 3);
    native.rxBurst(loop.rx, pkts.handle, 32);
    native.txBurst(loop.tx, pkts.handle, 0, 3);
    const before = native.rdtsc();
    expect(native.driverReceiveTimed(loop.peerRx, 32, true)).toBe(3);
    const time = arrivals[0] as number;
    expect(time >= before && time <= native.rdtsc()).toBe(true);
    expect([...arrivals.subarray(1, 4)]).toEqual([0, 1, 2]);
    expect(native.driverReceiveTimed(loop.peerRx, 32, true)).toBe(0);
    expect(arrivals[0]).toBeGreaterThanOrEqual(time);
  });

  it('rxBurst is limited by the vector, and txBurst sends the given range', () => {
    const pkts = pool.vector(4);
    native.driverGenerate(loop.peerTx, 20);
    expect(native.rxBurst(loop.rx, pkts.handle, 1000)).toBe(4);
    expect(native.txBurst(loop.tx, pkts.handle, 1, 3)).toBe(2);
    expect(native.txBurst(loop.tx, pkts.handle, 3, 3)).toBe(0);
    expect(native.txBurst(loop.tx, pkts.handle, 3, 1000)).toBe(1);
    pool.free(pkts, 0, 1);
    expect(pool.available).toBe(128);
  });

  it('alloc is all or none', () => {
    const pkts = pool.vector(128);
    expect(pool.alloc(pkts, 100)).toBe(100);
    expect(new Set(pkts.ids.subarray(0, 100)).size).toBe(100);
    const more = pool.vector(64);
    expect(pool.alloc(more, 29)).toBe(0);
    expect(pool.alloc(more, 28)).toBe(28);
    pool.free(more, 0, 28);
    pool.free(pkts, 0, 100);
    expect(pool.available).toBe(128);
  });
});

describe('queue states', () => {
  it('quiesce returns the index and makes bursts return nothing; start resumes there', () => {
    const pkts = pool.vector(32);
    native.driverGenerate(loop.peerTx, 5);
    expect(native.rxBurst(loop.rx, pkts.handle, 3)).toBe(3);
    expect(native.queueState(loop.rx)).toBe(QUEUE_RUNNING);
    expect(native.queueQuiesce(loop.rx)).toBe(3);
    expect(native.queueQuiesce(loop.rx)).toBe(3);
    expect(native.queueState(loop.rx)).toBe(QUEUE_STOPPED);
    expect(native.rxBurst(loop.rx, pkts.handle, 3)).toBe(0);
    pool.free(pkts, 0, 3);
  });

  it('a bad descriptor breaks its queue only, and is counted', () => {
    const pkts = pool.vector(32);
    native.driverGenerate(loop.peerTx, 3);
    loop.bytes.setBigUint64(16, 0xffff_ffff_ffff_f000n, true);
    expect(native.rxBurst(loop.rx, pkts.handle, 32)).toBe(1);
    expect(native.queueState(loop.rx)).toBe(QUEUE_BROKEN);
    expect(counter(loop.rx, 'invalid_desc')).toBe(1);
    expect(native.rxBurst(loop.rx, pkts.handle, 32)).toBe(0);
    expect(native.txBurst(loop.tx, pkts.handle, 0, 1)).toBe(1);
    expect(native.queueState(loop.tx)).toBe(QUEUE_RUNNING);
  });

  it('memory in use by a queue cannot be destroyed', () => {
    expect(errorOf(() => native.memoryDestroy(loop.memory)).code).toBe('EBUSY');
  });

  it('regression: memory of a stuck queue outlives its owner, until the burst returns', () => {
    const mapping = stuckMapping();
    const memory = native.memoryCreate([{ gpa: GPA, size: BigInt(PAGES), mapping, offset: 0 }]);
    const view = new DataView(native.mappingBuffer(mapping));
    // One buffer of 2048 bytes to write, in ring 0 of one entry.
    view.setBigUint64(0, GPA + 0x4000n, true);
    view.setUint32(8, 2048, true);
    view.setUint16(12, 2, true);
    view.setUint16(0x1002, 1, true);
    const queue = native.queueCreate('tx');
    const [desc, avail, used] = [GPA, GPA + 0x1000n, GPA + 0x2000n];
    const features = (1n << 32n) | (1n << 15n);
    native.queueStart(queue, { memory, desc, avail, used, size: 1, lastAvailIdx: 0, features, notifyFd: -1 });
    expect(native.txReserve(queue, 1)).toBe(1);
    expect(native.queueQuiesce(queue, 10)).toBe(QUEUE_STUCK);
    native.memoryDestroy(memory);
    native.unmap(mapping);
    expect(() => native.mappingAddress(mapping)).toThrow(RangeError);
    const mapped = () => /memfd:stuck/.test(readFileSync('/proc/self/maps', 'utf8'));
    expect(mapped()).toBe(true);
    expect(native.txCommit(queue, 1)).toBe(0);
    native.queueDestroy(native.queueCreate('rx'));
    expect(mapped()).toBe(false);
    native.queueDestroy(queue);
  });

  it('a ring outside the memory, misaligned or of a bad size is refused with a reason', () => {
    const queue = native.queueCreate('rx');
    const start = (change: object) =>
      errorOf(() =>
        native.queueStart(queue, {
          memory: loop.memory,
          desc: 0x4000_0000n,
          avail: 0x4000_8000n,
          used: 0x4001_0000n,
          size: 256,
          lastAvailIdx: 0,
          features: 0n,
          notifyFd: -1,
          ...change,
        }),
      );
    expect(start({ desc: 0n }).code).toBe('ERANGE');
    expect(start({ used: 0xffff_ffff_ffff_fff0n }).code).toBe('ERANGE');
    expect(start({ desc: 0x4000_0008n }).code).toBe('EINVAL');
    expect(start({ size: 255 }).code).toBe('EINVAL');
    expect(start({ size: 65536 }).code).toBe('EINVAL');
    expect(start({ lastAvailIdx: 65536 })).toBeInstanceOf(RangeError);
    expect(start({ desc: 5 })).toBeInstanceOf(TypeError);
    native.queueDestroy(queue);
  });
});

describe('handles', () => {
  it('that are invalid make hot functions return 0 and others throw', () => {
    const none = 999_999;
    expect(native.rxBurst(none as QueueHandle, none as VectorHandle, 32)).toBe(0);
    expect(native.txBurst(none as QueueHandle, none as VectorHandle, 0, 32)).toBe(0);
    expect(native.poolAlloc(none as VectorHandle, 3)).toBe(0);
    native.poolFree(none as VectorHandle, 0, 5);
    expect(native.driverGenerate(none as DriverQueueHandle, 3)).toBe(0);
    expect((native.rxBurst as () => number)()).toBe(0);
    expect(() => native.queueQuiesce(none as QueueHandle)).toThrow(RangeError);
    expect(() => native.poolLayout(none as never)).toThrow(RangeError);
  });

  it('regression: that were released do not reach later objects', () => {
    const queue = native.queueCreate('rx');
    native.queueDestroy(queue);
    const next = native.queueCreate('rx');
    expect(next).not.toBe(queue);
    expect(() => native.queueQuiesce(queue)).toThrow(RangeError);
    expect(() => native.queueDestroy(queue)).toThrow(RangeError);
    expect(native.queueState(next)).toBe(QUEUE_STOPPED);
    native.queueDestroy(next);

    const first = new Mempool({ count: 8 });
    const stale = first.vector(4);
    first.close();
    const second = new Mempool({ count: 8 });
    second.vector(4);
    expect(second.handle).not.toBe(first.handle);
    expect(native.poolAlloc(stale.handle, 4)).toBe(0);
    first.close();
    expect(second.available).toBe(8);
    second.close();
  });

  it('regression: that are not numbers are invalid', () => {
    const wrong = [undefined, null, Number.NaN, 'x', {}] as unknown[];
    native.driverGenerate(loop.peerTx, 3);
    const pkts = pool.vector(32);
    for (const handle of wrong) {
      expect(native.rxBurst(handle as QueueHandle, pkts.handle, 32)).toBe(0);
      expect(native.rxBurst(loop.rx, handle as VectorHandle, 32)).toBe(0);
      expect(native.poolAlloc(handle as VectorHandle, 1)).toBe(0);
    }
  });

  it('regression: whose object is destroyed by a getter of the arguments are refused', () => {
    const mapping = native.mapAnonymous(1 << 20, false);
    const memory = native.memoryCreate([{ gpa: 0n, size: 1n << 20n, mapping, offset: 0 }]);
    const queue = native.queueCreate('rx');
    const place = { desc: 0n, avail: 0x4000n, used: 0x8000n, size: 16, lastAvailIdx: 0, features: 0n };
    const setup = {
      ...place,
      memory,
      get notifyFd() {
        native.memoryDestroy(memory);
        return -1;
      },
    };
    expect(() => native.queueStart(queue, setup)).toThrow(RangeError);
    native.queueDestroy(queue);
    const region = {
      size: 4096n,
      mapping,
      offset: 0,
      get gpa() {
        native.unmap(mapping);
        return 0n;
      },
    };
    expect(errorOf(() => native.memoryCreate([region])).code).toBe('EBADF');
  });

  it('regression: of a read-only mapping are refused by memoryCreate', () => {
    const fd = native.memfdCreate('read-only', 4096, false);
    const mapping = native.mapFd(fd, 0, 4096, false);
    native.close(fd);
    expect(errorOf(() => native.memoryCreate([{ gpa: 0n, size: 4096n, mapping, offset: 0 }])).code).toBe(
      'EACCES',
    );
    native.unmap(mapping);
  });

  it('of the wrong role do nothing', () => {
    const pkts = pool.vector(32);
    native.driverGenerate(loop.peerTx, 3);
    expect(native.txBurst(loop.rx, pkts.handle, 0, 3)).toBe(0);
    expect(native.rxBurst(loop.tx, pkts.handle, 3)).toBe(0);
  });

  it('of pools are checked for size and number of vectors', () => {
    expect(() => new Mempool({ count: 0 })).toThrow(expect.objectContaining({ code: 'VPCI_ARGUMENT' }));
    expect(() => new Mempool({ dataRoom: 63 })).toThrow(expect.objectContaining({ code: 'VPCI_ARGUMENT' }));
    expect(() => new Mempool({ dataRoom: 65_500 })).toThrow(
      expect.objectContaining({ code: 'VPCI_ARGUMENT' }),
    );
    expect(() => new Mempool({ headroom: 100 })).toThrow(expect.objectContaining({ code: 'VPCI_ARGUMENT' }));
    for (let i = 0; i < 1024; i++) pool.vector(1);
    expect(errorOf(() => pool.vector(1)).code).toBe('ENOSPC');
  });
});

describe('messages', () => {
  it('chainTake returns segments with their addresses, chainReturn accepts any order', () => {
    native.driverGenerate(loop.peerTx, 3);
    const first = native.chainTake(loop.rx);
    const second = native.chainTake(loop.rx);
    expect(first).toMatchObject({ head: 0, segments: [{ bytes: 76, writable: false }] });
    expect(loop.bytes.getUint8(Number((first?.segments[0]?.address ?? 0n) - GPA) + 12)).toBe(2);
    expect(second?.head).toBe(1);
    native.chainReturn(loop.rx, 1, 7);
    expect(loop.bytes.getUint16(0x10000 + 2, true)).toBe(1);
    expect(loop.bytes.getUint32(0x10000 + 4, true)).toBe(1);
    expect(loop.bytes.getUint32(0x10000 + 8, true)).toBe(7);
    native.chainReturn(loop.rx, 0, 0);
    expect(loop.bytes.getUint16(0x10000 + 2, true)).toBe(2);
    native.chainTake(loop.rx);
    expect(native.chainTake(loop.rx)).toBeNull();
  });

  it('chainTake throws EPROTO on a broken ring at each call', () => {
    loop.bytes.setUint16(0x8000 + 2, 400, true);
    expect(errorOf(() => native.chainTake(loop.rx)).code).toBe('EPROTO');
    expect(errorOf(() => native.chainTake(loop.rx)).code).toBe('EPROTO');
  });
});

describe('offload metadata', () => {
  it('lies in separate arrays, and an allocation clears the flags', () => {
    const pkts = pool.vector(128);
    const arrays = [pool.olFlags, pool.csumStart, pool.csumOffset, pool.gsoSize, pool.hdrLen];
    for (const [i, array] of arrays.entries()) array.fill(i + 1);
    expect(arrays.map((array) => array.length)).toEqual([128, 128, 128, 128, 128]);
    expect(pool.alloc(pkts, 128)).toBe(128);
    expect([...new Set(pool.olFlags)]).toEqual([0]);
    expect(arrays.slice(1).map((array) => [...new Set(array)])).toEqual([[2], [3], [4], [5]]);
    expect([...pkts.ids].sort((a, b) => a - b)).toEqual(Array.from({ length: 128 }, (_, i) => i));
    pool.free(pkts, 0, 128);
    expect(pool.available).toBe(128);
  });
});
