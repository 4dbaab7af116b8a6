// SPDX-License-Identifier: BSD-3-Clause
// The poll loop with both sides of a queue pair in one thread: the back-end runs when the loop asks whether
// to go on.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MbufVector, Mempool } from '../../src/ethdev/mempool.ts';
import { native } from '../../src/native.ts';
import { type Loopback, openLoopback } from '../../test/support/loopback.ts';
import { latencyHistogram } from './latency.ts';
import { defaultFlow, frameTemplate } from './traffic.ts';
import { CONTROL_DONE, CONTROL_DRAIN, CONTROL_WORDS, type PeerMode, runTraffic } from './traffic-loop.ts';

const ROUNDS = 1000;

let loop: Loopback;
let pool: Mempool;
/** Its frames belong to no sender: their sequence number is 2^64 - 1. */
let strangers: Mempool;
let swallowed: MbufVector;
let frame: MbufVector;

beforeEach(() => {
  loop = openLoopback(frameTemplate(64, defaultFlow(0)));
  pool = new Mempool({ count: 64, hugepages: false });
  strangers = new Mempool({ count: 1, hugepages: false });
  strangers.bytes.fill(0xff);
  swallowed = pool.vector(32);
  frame = strangers.vector(1);
});
afterEach(() => {
  loop.close();
  pool.close();
  strangers.close();
});

/** One turn of a back-end that discards what it receives and sends a frame of its own. */
function swallowAndSend(): void {
  native.poolFree(swallowed.handle, 0, native.rxBurst(loop.rx, swallowed.handle, 32));
  native.poolAlloc(frame.handle, 1);
  strangers.dataLen[0] = strangers.pktLen[0] = 60;
  native.poolFree(frame.handle, native.txBurst(loop.tx, frame.handle, 0, 1), 1);
}

describe('the poll loop', () => {
  it.each<PeerMode>(['both', 'latency'])(
    'regression: ends its drain among frames that are not its own, mode %s',
    (mode) => {
      const control = new Int32Array(new SharedArrayBuffer(4 * CONTROL_WORDS));
      const histogram = latencyHistogram();
      const plan = {
        pairs: [{ rx: loop.peerRx, tx: loop.peerTx, mode, count: Number.POSITIVE_INFINITY }],
        ...{ burst: 32, check: false, window: 64, patienceMs: 1e6 },
        latency: { rate: 1e9, warmUp: 0, ownStall: Number.POSITIVE_INFINITY, histogram },
        control: control.buffer,
      };
      let rounds = 0;
      runTraffic(plan, () => {
        swallowAndSend();
        if (++rounds === 10) Atomics.store(control, CONTROL_DRAIN, 1);
        return rounds < ROUNDS && Atomics.load(control, CONTROL_DONE) === 0;
      });
      expect([rounds > 10, Atomics.load(control, CONTROL_DONE), histogram.count]).toEqual([true, 1, 0]);
    },
  );
});
