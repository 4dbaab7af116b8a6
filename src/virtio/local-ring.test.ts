// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeviceRing } from '../../test/support/device-ring.ts';
import type { DmaMemory } from '../bus/pci-device.ts';
import type { MappingHandle } from '../native.ts';
import { LocalRing, localRingBytes } from './local-ring.ts';

const IOVA = 0x10_0000n;

function setup(size: number) {
  const buffer = new ArrayBuffer(localRingBytes(size) + 4096);
  const memory: DmaMemory = { mapping: 0 as MappingHandle, buffer, iova: IOVA, size: buffer.byteLength };
  const ring = new LocalRing(memory, 0, size);
  const device = new DeviceRing(
    (iova, length) => new Uint8Array(buffer, Number(iova - IOVA), length),
    ring.addresses,
    size,
  );
  return { ring, device, buffers: IOVA + BigInt(localRingBytes(size)) };
}

describe('local ring', () => {
  it('puts readable buffers before writable ones in one chain', () => {
    const { ring, device, buffers } = setup(8);
    expect(ring.add(7, [{ iova: buffers, length: 3 }], [{ iova: buffers + 16n, length: 5 }])).toBe(true);
    expect(ring.available).toBe(6);
    const chain = device.take();
    expect(chain?.segments.map(({ writable, bytes }) => [writable, bytes.length])).toEqual([
      [false, 3],
      [true, 5],
    ]);
    device.give(chain?.head ?? -1, 5);
    expect(ring.collect()).toEqual({ token: 7, written: 5 });
    expect(ring.collect()).toBeNull();
    expect(ring.available).toBe(8);
  });

  it('refuses a chain without enough descriptors, and changes nothing', () => {
    const { ring, device, buffers } = setup(2);
    expect(ring.add(1, [], [{ iova: buffers, length: 1 }])).toBe(true);
    expect(ring.add(2, [{ iova: buffers, length: 1 }], [{ iova: buffers, length: 1 }])).toBe(false);
    expect(device.pending).toBe(1);
  });

  it('does not notify a device that suppresses notifications', () => {
    const { ring, device } = setup(2);
    expect(ring.wantsNotify).toBe(true);
    device.setUsedFlags(1);
    expect(ring.wantsNotify).toBe(false);
  });

  it.each([0, 3, 65536])('refuses a size of %i', (size) => {
    expect(() => setup(size)).toThrow(RangeError);
  });

  describe('is broken for good', () => {
    const cases: [string, (device: DeviceRing, head: number) => void][] = [
      ['by an id beyond the ring', (device) => device.give(9, 0)],
      ['by an id that is not outstanding', (device, head) => device.give((head + 5) % 8, 0)],
      [
        'by an id that was used before',
        (device, head) => {
          device.give(head, 0);
          device.give(head, 0);
        },
      ],
      ['by more bytes than the buffers hold', (device, head) => device.give(head, 17)],
      ['by an index that jumps', (device) => device.setUsedIdx(3)],
      ['by an index that moves backwards', (device) => device.setUsedIdx(0xffff)],
    ];
    it.each(cases)('%s', (_, misbehave) => {
      const { ring, device, buffers } = setup(8);
      for (const token of [1, 2]) ring.add(token, [], [{ iova: buffers, length: 16 }]);
      const chain = device.take();
      misbehave(device, chain?.head ?? -1);
      const collectAll = () => {
        while (ring.collect() !== null);
      };
      expect(collectAll).toThrow(/violated the rules/);
      expect(ring.broken).toBe(true);
      expect(ring.collect()).toBeNull();
      expect(ring.add(3, [], [{ iova: buffers, length: 1 }])).toBe(false);
    });
  });

  it('behaves as a set of outstanding chains that the device uses in any order', () => {
    const action = fc.oneof(
      fc.record({ add: fc.tuple(fc.nat(2), fc.nat(2)) }),
      fc.record({ use: fc.nat(1000) }),
      fc.constant({ collect: true }),
    );
    fc.assert(
      fc.property(fc.constantFrom(1, 2, 4, 16), fc.array(action, { maxLength: 200 }), (size, actions) => {
        const { ring, device, buffers } = setup(size);
        const held: { head: number; writable: number; token: number }[] = [];
        const expected: { token: number; written: number }[] = [];
        const given: { token: number; count: number; writable: number }[] = [];
        const counts = new Map<number, number>();
        let free = size;
        let token = 0;
        for (const step of actions) {
          if ('add' in step) {
            const [readable, writable] = step.add;
            const count = readable + writable;
            if (count === 0) continue;
            const piece = { iova: buffers, length: 8 };
            const fits = count <= free;
            expect(ring.add(token, Array(readable).fill(piece), Array(writable).fill(piece))).toBe(fits);
            if (!fits) continue;
            given.push({ token, count, writable });
            counts.set(token++, count);
            free -= count;
          } else if ('use' in step) {
            for (let chain = device.take(); chain; chain = device.take()) {
              const next = given.shift();
              expect(chain.segments).toHaveLength(next?.count ?? -1);
              held.push({ head: chain.head, writable: (next?.writable ?? 0) * 8, token: next?.token ?? -1 });
            }
            const [chosen] = held.splice(step.use % Math.max(1, held.length), 1);
            if (!chosen) continue;
            const written = chosen.writable === 0 ? 0 : step.use % (chosen.writable + 1);
            device.give(chosen.head, written);
            expected.push({ token: chosen.token, written });
          } else {
            const next = expected.shift() ?? null;
            expect(ring.collect()).toEqual(next);
            if (next) free += counts.get(next.token) ?? 0;
          }
          expect(ring.available).toBe(free);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('continues beyond 65536 chains', () => {
    const { ring, device, buffers } = setup(4);
    for (let round = 0; round < 70_000; round++) {
      ring.add(round, [], [{ iova: buffers, length: 4 }]);
      device.give(device.take()?.head ?? -1, 2);
      if (ring.collect()?.token !== round) throw new Error(`round ${round}`);
    }
    expect(ring.available).toBe(4);
  });
});
