// SPDX-License-Identifier: BSD-3-Clause
import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_HDR } from '../../src/abi/virtio-net.ts';
import { vringAvailBytes, vringDescBytes, vringUsedBytes } from '../../src/abi/virtio-ring.ts';
import {
  buffersPerFrame,
  MAX_FRAME,
  MIN_FRAME,
  type PlanOptions,
  planMemory,
  type QueuePlace,
} from './memory-plan.ts';

const options: fc.Arbitrary<PlanOptions> = fc.record({
  pairs: fc.integer({ min: 1, max: 8 }),
  queueSize: fc.integer({ min: 1, max: 12 }).map((power) => 2 ** power),
  frameSize: fc.integer({ min: MIN_FRAME, max: MAX_FRAME }),
  mergeable: fc.boolean(),
});

/** Byte ranges of a queue's parts: [start, end). */
function ranges(place: QueuePlace): [number, number][] {
  const { size } = place;
  return [
    [place.desc, place.desc + vringDescBytes(size)],
    [place.avail, place.avail + vringAvailBytes(size)],
    [place.used, place.used + vringUsedBytes(size)],
    [place.buffers, place.buffers + size * place.bufferSize],
  ];
}

describe('the memory plan', () => {
  test.prop([options])('keeps all parts of all queues apart and inside the memory', (given) => {
    const plan = planMemory(given);
    const all = plan.pairs.flatMap(({ rx, tx }) => [...ranges(rx), ...ranges(tx)]);
    all.sort(([a], [b]) => a - b);
    all.forEach(([start, end], index) => {
      expect(start).toBeGreaterThanOrEqual(all[index - 1]?.[1] ?? 0);
      expect(end).toBeLessThanOrEqual(plan.bytes);
    });
    expect(all).toHaveLength(8 * given.pairs);
  });

  test.prop([options])('aligns what the specification and hugepages require', (given) => {
    const plan = planMemory(given);
    expect(plan.bytes % (2 << 20)).toBe(0);
    for (const { rx, tx } of plan.pairs) {
      for (const place of [rx, tx]) {
        expect([place.desc % 16, place.avail % 2, place.used % 4]).toEqual([0, 0, 0]);
        // Written by different sides.
        expect(Math.floor(place.avail / 64)).not.toBe(Math.floor(place.used / 64));
      }
    }
  });

  test.prop([options])(
    'gives every frame room: one transmit buffer, and one receive buffer unless they merge',
    (given) => {
      for (const { rx, tx } of planMemory(given).pairs) {
        expect(tx.bufferSize).toBeGreaterThanOrEqual(VIRTIO_NET_HDR.size + given.frameSize);
        const buffers = buffersPerFrame(rx, given.frameSize);
        expect(buffers * rx.bufferSize).toBeGreaterThanOrEqual(VIRTIO_NET_HDR.size + given.frameSize);
        if (!given.mergeable) expect(buffers).toBe(1);
      }
    },
  );

  it.each([0, 1, 3, 100, 65536])('refuses a ring of %i entries', (queueSize) => {
    const given = { pairs: 1, queueSize, frameSize: 64, mergeable: true };
    expect(() => planMemory(given)).toThrow(expect.objectContaining({ code: 'VPCI_QUEUE_SIZE' }));
  });
});
