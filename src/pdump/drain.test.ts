// SPDX-License-Identifier: BSD-3-Clause
// Rings of several queues as one sequence of packets.
import { afterAll, beforeEach, expect, it } from 'vitest';
import { type MappingHandle, native } from '../native.ts';
import { Drain, Source } from './drain.ts';
import { RING_DATA, RingReader } from './ring.ts';

const SIZE = 4096;
const STRIDE = RING_DATA + SIZE;
/** 2026, in milliseconds. */
const NOW = 1_790_000_000_000;

let mapping: MappingHandle;
let heads: [number, number];
let taken: string[];
let drain: Drain;
let sources: Source[];
const mappings: MappingHandle[] = [];
afterAll(() => {
  for (const one of mappings) native.unmap(one);
});

beforeEach(() => {
  const fd = native.memfdCreate('drain-test', 2 * STRIDE, false);
  mapping = native.mapFd(fd, 0, 2 * STRIDE, true);
  native.close(fd);
  mappings.push(mapping);
  heads = [0, 0];
  taken = [];
  sources = [0, STRIDE].map(
    (offset, i) => new Source(new RingReader(mapping, offset, SIZE), 0, i ? 'tx' : 'rx'),
  );
  drain = new Drain(sources, ({ direction }, bytes) => taken.push(`${direction}${bytes[0]}`));
});

/** A packet of one byte, so many milliseconds after NOW. */
function put(ring: 0 | 1, byte: number, ms: number): void {
  const view = new DataView(native.mappingBuffer(mapping));
  const at = ring * STRIDE + RING_DATA + heads[ring];
  view.setUint32(at, 1, true);
  view.setUint32(at + 4, 1, true);
  view.setBigUint64(at + 8, BigInt(NOW + ms) * 1_000_000n, true);
  view.setUint8(at + 16, byte);
  heads[ring] += 24;
  native.atomicWrite(mapping, ring * STRIDE, heads[ring]);
}

it('takes packets of all rings in the order of their times', () => {
  put(0, 1, 1);
  put(0, 4, 4);
  put(1, 2, 2);
  put(1, 3, 3);
  expect(drain.run(3)).toBe(3);
  expect(drain.run(10)).toBe(1);
  expect(taken).toEqual(['in1', 'out2', 'out3', 'in4']);
});

it('leaves those before which another may still come', () => {
  put(1, 2, 2);
  put(1, 9, 9);
  expect(drain.run(10, undefined, NOW + 5)).toBe(1);
  put(0, 8, 8);
  expect(drain.run(10, undefined, NOW + 5)).toBe(0);
  expect(drain.run(10)).toBe(2);
  expect(taken).toEqual(['out2', 'in8', 'out9']);
});

it('does not wait for a clock that was set back', () => {
  put(0, 1, 3_600_000);
  expect(drain.run(10, undefined, NOW)).toBe(1);
});

it('tells how full a ring is, until its packets were taken', () => {
  const { ring } = sources[0] as Source;
  expect(ring.fill).toBe(0);
  put(0, 1, 1);
  put(0, 2, 2);
  expect(ring.fill).toBe(48 / SIZE);
  drain.run(1);
  expect(ring.fill).toBe(24 / SIZE);
});
