// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { largestFrame, partBytes, sectionLayout } from './layout.ts';

describe('the layout of a section', () => {
  it('is that of ivshmem-net for the sections of 7F000h bytes in its documentation', () => {
    expect(sectionLayout(0x7f000)).toEqual({
      size: 0x7f000,
      entries: 2048,
      usedOffset: 36_928,
      dataOffset: 53_376,
      dataBytes: 466_816,
    });
  });

  it.each([
    // The rings take less than an eighth; what they take is that of 64 entries or more.
    [14_336, 32, 1792],
    [14_344, 64, 1792],
    [0xf000, 256, 6784],
    [1 << 20, 4096, 106_624],
    [0x80000, 2048, 53_376],
    [1 << 30, 4096, 106_624],
  ])('of %i bytes has %i entries and data from %i on', (size, entries, dataOffset) => {
    expect(sectionLayout(size)).toMatchObject({ entries, dataOffset, dataBytes: size - dataOffset });
  });

  it('needs data for four small frames', () => {
    expect(sectionLayout(1792 + 4 * 68)).toMatchObject({ entries: 32, dataBytes: 272 });
    for (const size of [1792 + 4 * 68 - 1, 1792, 64, 0]) expect(sectionLayout(size)).toBeNull();
  });

  it('has its parts in order, apart, aligned and within the section', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1 << 30 }), fc.integer({ min: 1, max: 64 }), (bytes, pairs) => {
        const part = partBytes(bytes, pairs);
        expect(part * pairs).toBeLessThanOrEqual(bytes);
        if (pairs > 1) expect(part % 64).toBe(0);
        const layout = sectionLayout(part);
        if (layout === null) return;
        const { entries, usedOffset, dataOffset, dataBytes } = layout;
        expect(Math.log2(entries) % 1).toBe(0);
        expect(usedOffset).toBeGreaterThanOrEqual(16 * entries + 6 + 2 * entries);
        expect(dataOffset).toBeGreaterThanOrEqual(usedOffset + 6 + 8 * entries);
        expect([usedOffset % 64, dataOffset % 64]).toEqual([0, 0]);
        expect(dataOffset + dataBytes).toBe(part);
        if (entries > 32) expect(dataOffset).toBeLessThan(part / 8);
      }),
    );
  });
});

describe('the largest frame', () => {
  it.each([
    [466_816, false, 16_384 + 18],
    [466_816, true, 65_550],
    [54_656, false, 3416 + 18],
    [54_656, true, 13_664],
    // ivshmem-net's least MTU.
    [272, false, 68 + 18],
    [272, true, 68],
  ])('with %i bytes of data, large %s, is %i', (dataBytes, large, expected) => {
    expect(largestFrame({ size: 0, entries: 32, usedOffset: 0, dataOffset: 0, dataBytes }, large)).toBe(
      expected,
    );
  });
});
