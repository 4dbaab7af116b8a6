// SPDX-License-Identifier: BSD-3-Clause
// Sleeping: wait sets, and queues that ask their peer for kicks.
import { fc, test } from '@fast-check/vitest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Loopback, openLoopback } from '../test/support/loopback.ts';
import { VIRTIO_F_RING_EVENT_IDX, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from './abi/virtio-ring.ts';
import { addonWorker, codeOf, nextMessage, openFds } from './native.test-help.ts';
import { DRIVER_QUEUE_COUNTERS, native, QUEUE_BROKEN, type WaitSetHandle } from './native.ts';
import { features } from './virtio/features.ts';

const FRAME = Uint8Array.from({ length: 64 }, (_, i) => i);
/** Waits normally end long before this; one that lasts this long has lost its wake-up. */
const LOST_MS = 60_000;
const VERSION_1 = features(VIRTIO_F_VERSION_1);
const EVENT_IDX = features(VIRTIO_F_RING_EVENT_IDX);
const PACKED = features(VIRTIO_F_RING_PACKED);

describe('a wait set', () => {
  let fds: number[];
  let set: WaitSetHandle;
  const ready = new Uint32Array(4);
  const wait = (timeoutMs = 0) => [...ready.subarray(0, native.waitSetWait(set, timeoutMs, ready))];
  let before: number;

  beforeEach(() => {
    before = openFds();
    fds = [native.eventfd(), native.eventfd(), native.eventfd()];
    set = native.waitSetCreate(fds);
  });
  afterEach(() => {
    native.waitSetDestroy(set);
    for (const fd of fds) native.close(fd);
    expect(openFds()).toBe(before);
  });

  it('reports the signalled descriptors once', () => {
    expect(wait()).toEqual([]);
    native.eventfdSignal(fds[2] as number);
    native.eventfdSignal(fds[0] as number);
    native.eventfdSignal(fds[0] as number);
    expect(wait(-1)).toEqual([0, 2]);
    expect(wait()).toEqual([]);
  });

  it('keeps descriptors that do not fit for the next call', () => {
    for (const fd of fds) native.eventfdSignal(fd);
    const one = new Uint32Array(1);
    const seen = [0, 1, 2].map(() => [native.waitSetWait(set, 0, one), one[0]]);
    expect(seen).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
    ]);
  });

  it('ends on timeout', () => {
    expect(wait(1)).toEqual([]);
  });

  it('is woken by another thread', async () => {
    const worker = addonWorker('native.eventfdSignal(workerData.fd); parentPort.postMessage(0);', {
      fd: fds[1],
    });
    let woken: number[] = [];
    while (woken.length === 0) woken = wait(LOST_MS);
    expect(woken).toEqual([1]);
    await worker.terminate();
  });

  it('outlives its original descriptors, and does not confuse others with them', () => {
    native.close(fds[0] as number);
    const other = native.eventfd();
    native.eventfdSignal(other);
    expect(wait()).toEqual([]);
    expect(native.eventfdDrain(other)).toBe(1n);
    fds[0] = other;
  });

  it('does not drain descriptors other than eventfds, and reports a broken one once', () => {
    const [near, far] = native.socketPair();
    native.waitSetDestroy(set);
    set = native.waitSetCreate([near]);
    native.sendMessage(far, Uint8Array.of(1, 2, 3), []);
    expect([wait(), wait()]).toEqual([[0], [0]]);
    expect(native.receiveMessage(near, new Uint8Array(8), 0)?.bytes).toBe(3);
    expect(wait()).toEqual([]);
    native.close(near);
    native.close(far);
  });

  it('is checked', () => {
    expect(codeOf(() => native.waitSetCreate([1 << 20]))).toBe('EBADF');
    expect(() => native.waitSetCreate([-1])).toThrow(RangeError);
    expect(() => native.waitSetDestroy(0 as WaitSetHandle)).toThrow(/no such wait set: 0/);
    expect(native.waitSetWait(0 as WaitSetHandle, -1, ready)).toBe(0);
    expect(native.waitSetWait(set, -1, new Uint8Array(4) as unknown as Uint32Array)).toBe(0);
  });
});

describe('an RX queue', () => {
  let kickFd: number;
  let loopback: Loopback;
  const pool = native.poolCreate({ count: 1024, dataRoom: 2048, headroom: 128, hugepages: false });
  const vector = native.vectorCreate(pool, 64);
  const kicks = () =>
    Number(
      new BigUint64Array(native.driverQueueStats(loopback.peerTx))[DRIVER_QUEUE_COUNTERS.indexOf('kicks')],
    );
  const send = (n: number) => native.driverGenerate(loopback.peerTx, n);
  const receive = (n: number) => {
    const received = native.rxBurst(loopback.rx, vector, n);
    native.poolFree(vector, 0, received);
    return received;
  };

  beforeEach(() => {
    kickFd = native.eventfd();
    loopback = openLoopback(FRAME, 64, undefined, kickFd);
    native.eventfdDrain(kickFd); // the peer's other ring had its buffers posted
  });
  afterEach(() => {
    loopback.close();
    native.close(kickFd);
  });

  it('is not kicked while it is polled', () => {
    send(3);
    expect([kicks(), native.eventfdDrain(kickFd)]).toEqual([0, 0n]);
  });

  it('is kicked after it has armed, until it is polled again', () => {
    expect(native.queueArm(loopback.rx)).toBe(true);
    send(1);
    expect([kicks(), native.eventfdDrain(kickFd)]).toEqual([1, 1n]);
    native.queueDisarm(loopback.rx);
    send(1);
    expect([kicks(), receive(64)]).toEqual([1, 2]);
  });

  it('does not arm when packets are already waiting', () => {
    send(1);
    expect(native.queueArm(loopback.rx)).toBe(false);
    send(1);
    expect([kicks(), receive(64)]).toEqual([0, 2]);
  });

  it('lets its thread sleep when stopped or broken, and does not touch the ring', () => {
    loopback.bytes.setUint16(0x8002, 500, true); // available index of the peer's TX ring
    expect(native.queueArm(loopback.rx)).toBe(true);
    expect(native.queueState(loopback.rx)).toBe(QUEUE_BROKEN);
    native.queueQuiesce(loopback.rx);
    loopback.bytes.setUint16(0x10000, 77, true); // flags of its used ring
    expect(native.queueArm(loopback.rx)).toBe(true);
    native.queueDisarm(loopback.rx);
    expect(loopback.bytes.getUint16(0x10000, true)).toBe(77);
  });

  test.prop([fc.array(fc.constantFrom('send', 'receive', 'arm', 'disarm'), { maxLength: 60 })])(
    'requests kicks exactly while it is armed',
    (steps) => {
      let armed = false;
      for (const step of steps) {
        const before = kicks();
        if (step === 'send') {
          const sent = send(1);
          expect(kicks() - before).toBe(armed && sent > 0 ? 1 : 0);
        } else if (step === 'receive') receive(64);
        else if (step === 'disarm') {
          native.queueDisarm(loopback.rx);
          armed = false;
        } else {
          const waiting = !native.queueArm(loopback.rx);
          armed = !waiting;
          expect(receive(64) > 0).toBe(waiting);
        }
      }
      native.queueDisarm(loopback.rx);
      receive(64);
    },
  );

  /**
   * Another thread sends bursts, each at a random moment after the previous one was taken: often while this
   * thread arms or falls asleep. Returns the counts of both; `lost` if a kick did not arrive.
   */
  const sleepThrough = async (rounds: number) => {
    const shared = new Int32Array(new SharedArrayBuffer(12));
    const [taken, over] = [0, 2];
    const worker = addonWorker(
      `const { tx, rounds, kickFd } = workerData;
       const shared = new Int32Array(workerData.shared);
       let sent = 0, random = 1, spins = 0;
       for (let round = 0; round < rounds; round++) {
         random = Math.imul(random, 1103515245) + 12345 >>> 0;
         sent += native.driverGenerate(tx, 1 + (random >>> 8) % 4);
         for (let i = 0; Atomics.load(shared, 0) !== sent; i++) if (i > 10000) Atomics.wait(shared, 1, 0, 1);
         for (let i = (random >>> 16) % 400; i > 0; i--) spins++;
       }
       Atomics.store(shared, 2, 1);
       native.eventfdSignal(kickFd);
       parentPort.postMessage({ sent, spins });`,
      { tx: loopback.peerTx, rounds, kickFd, shared: shared.buffer },
    );
    const said = nextMessage(worker);
    const set = native.waitSetCreate([kickFd]);
    const ready = new Uint32Array(1);
    const result = { sleeps: 0, received: 0, sent: 0, lost: false };
    while (Atomics.load(shared, over) === 0 && !result.lost) {
      result.received += receive(64);
      Atomics.store(shared, taken, result.received);
      if (!native.queueArm(loopback.rx)) continue;
      result.sleeps++;
      const end = Date.now() + LOST_MS;
      // It may return early without a descriptor.
      while (native.waitSetWait(set, LOST_MS, ready) === 0 && !result.lost) result.lost = Date.now() > end;
      native.queueDisarm(loopback.rx);
    }
    native.waitSetDestroy(set);
    if (result.lost) await worker.terminate();
    else result.sent = ((await said) as { sent: number }).sent;
    return result;
  };

  it.each([
    ['split', 0n],
    ['split, EVENT_IDX', EVENT_IDX],
    ['packed', PACKED],
    ['packed, EVENT_IDX', PACKED | EVENT_IDX],
  ])(
    'loses no wake-up in twenty thousand bursts from another thread: %s',
    { timeout: 120_000 },
    async (_, kind) => {
      loopback.close();
      loopback = openLoopback(FRAME, 64, VERSION_1 | kind, kickFd);
      const { sleeps, sent, received, lost } = await sleepThrough(20_000);
      expect(lost).toBe(false);
      expect(received).toBe(sent);
      expect(sleeps).toBeGreaterThan(200);
    },
  );
});
