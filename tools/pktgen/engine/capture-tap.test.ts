// SPDX-License-Identifier: BSD-3-Clause
// The ring between the lcore and the capture: every frame once, whole and in order, or counted as dropped.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { afterEach, expect } from 'vitest';
import { Mempool } from '../../../src/ethdev/mempool.ts';
import { CaptureReader, CaptureTap, newCaptureMemory, SENT } from './capture-tap.ts';

const BURST = 32;
let pool: Mempool | undefined;
afterEach(() => pool?.close());

const rounds = fc.array(
  fc.record({
    bursts: fc.integer({ min: 1, max: 40 }),
    length: fc.integer({ min: 14, max: 9000 }),
    drains: fc.boolean(),
    odd: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 1, maxLength: 60 },
);

property.prop([rounds], { numRuns: 20 })('keeps frames whole and in order', (steps) => {
  pool?.close();
  pool = new Mempool({ count: BURST, dataRoom: 9216, hugepages: false });
  const pkts = pool.vector(BURST);
  pool.alloc(pkts, BURST);
  const memory = newCaptureMemory(65_535);
  const [tap, reader] = [new CaptureTap(memory), new CaptureReader(memory)];
  reader.want([SENT]);
  tap.on = true;
  const now = new Float64Array(1);
  let [given, read, last] = [0, 0, -1];
  const lengths: number[] = [];
  const drain = () =>
    reader.drain(({ offset, copied, length, time, direction }) => {
      read++;
      const number = Buffer.from(reader.bytes.buffer).readUInt32LE(offset);
      expect(number).toBeGreaterThan(last);
      expect([length, copied, time, direction]).toEqual([lengths[number], length, number, SENT]);
      expect(reader.bytes[offset + copied - 1]).toBe(number & 0xff);
      last = number;
    });
  for (const { bursts, length, drains, odd } of steps) {
    for (let i = 0; i < bursts; i++) {
      const mbuf = pkts.ids[i % BURST] as number;
      pool.dataOff[mbuf] = 128 + odd;
      pool.dataLen[mbuf] = pool.pktLen[mbuf] = length;
      const at = mbuf * pool.stride + 128 + odd;
      pool.bytes[at + length - 1] = given & 0xff;
      for (let k = 0; k < 4; k++) pool.bytes[at + k] = given >>> (8 * k);
      now[0] = given;
      lengths.push(length);
      tap.take(pool, pkts, i % BURST, (i % BURST) + 1, SENT, now);
      given++;
    }
    if (drains) drain();
  }
  drain();
  expect(reader.counts(SENT)).toEqual({ seen: given, dropped: given - read });
});
