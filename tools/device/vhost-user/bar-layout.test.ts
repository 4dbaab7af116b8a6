// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assignBars,
  barBytes,
  distinctFiles,
  findFault,
  packRegions,
  placeRegions,
  type Region,
} from './bar-layout.ts';

const GIB = 1n << 30n;
const file = (inode: bigint, size = 8n * GIB) => ({ device: 1n, inode, size });
const A = file(1n);
const B = file(2n);
const C = file(3n);

const region = (gpa: bigint, size: bigint, fileOffset: bigint, of = A): Region => ({
  gpa,
  size,
  userAddress: 0x7f00_0000_0000n + gpa,
  fileOffset,
  file: of,
});

/** What QEMU sends for 4 GiB in one memfd (VGA hole, PCI hole). */
const QEMU_4G = [
  region(0n, 0xa0000n, 0n),
  region(0xc0000n, 0x7ff40000n, 0xc0000n),
  region(0x1_0000_0000n, 0x8000_0000n, 0x8000_0000n),
];

/** Disjoint regions of up to two files, in any order, anywhere in both spaces. */
const tables = fc
  .array(
    fc.record({
      gap: fc.bigInt(0n, 64n),
      size: fc.bigInt(1n, 64n),
      offset: fc.bigInt(0n, 400n),
      second: fc.boolean(),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((parts) => {
    let gpa = 0n;
    return parts.map(({ gap, size, offset, second }) => {
      gpa += gap * 4096n;
      const made = region(gpa, size * 4096n, offset * 4096n, second ? B : A);
      gpa += size * 4096n;
      return made;
    });
  })
  .chain((regions) => fc.shuffledSubarray(regions, { minLength: regions.length, maxLength: regions.length }));

/** Tables with one `gpa - offset` per run, as front-ends send them. */
const realTables = fc
  .array(fc.record({ hole: fc.bigInt(0n, 64n), size: fc.bigInt(1n, 64n), jump: fc.boolean() }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => {
    let gpa = 0n;
    let offset = 0n;
    return parts.map(({ hole, size, jump }) => {
      gpa += (hole + (jump ? 1024n : 0n)) * 4096n;
      if (!jump) offset += hole * 4096n;
      const made = region(gpa, size * 4096n, offset);
      gpa += size * 4096n;
      offset += size * 4096n;
      return made;
    });
  });

describe('packed memory layout', () => {
  it("merges QEMU's regions across the VGA hole", () => {
    expect(packRegions(QEMU_4G)).toEqual([
      { gpa: 0n, size: 0x8000_0000n },
      { gpa: 0x1_0000_0000n, size: 0x8000_0000n },
    ]);
    expect(packRegions(QEMU_4G.slice(0, 2))).toEqual([{ gpa: 0n, size: 0x8000_0000n }]);
  });

  it('places every byte of every region where the file has it, or refuses', () => {
    fc.assert(
      fc.property(tables, (table) => {
        const packed = packRegions(table);
        if (typeof packed === 'string') return;
        let start = 0n;
        const starts = packed.map(({ size }) => {
          start += size;
          return start - size;
        });
        for (const { gpa, size, fileOffset } of table) {
          const i = packed.findIndex((p) => gpa >= p.gpa && gpa + size <= p.gpa + p.size);
          expect(i).toBeGreaterThanOrEqual(0);
          const found = packed[i] as { gpa: bigint; size: bigint };
          expect((starts[i] as bigint) + gpa - found.gpa).toBe(fileOffset);
        }
        for (const [i, a] of packed.entries()) {
          for (const b of packed.slice(i + 1))
            expect(a.gpa + a.size <= b.gpa || b.gpa + b.size <= a.gpa).toBe(true);
        }
      }),
    );
  });

  it('can express every table that a front-end with one memory file sends', () => {
    fc.assert(fc.property(realTables, (table) => Array.isArray(packRegions(table))));
  });

  it('refuses what it cannot express', () => {
    expect(packRegions([region(0n, 4096n, 0n), region(8192n, 4096n, 0n, B)])).toMatch(
      'more than one memory file',
    );
    expect(packRegions([region(0n, 4096n, 8192n)])).toMatch('start of its file');
    expect(packRegions([region(0n, 8192n, 0n), region(65536n, 4096n, 4096n)])).toMatch(
      'overlap in their file',
    );
    // The second run, extended, would cover the guest-physical place of the first.
    expect(
      packRegions([region(8192n, 4096n, 0n), region(4096n, 4096n, 4096n), region(65536n, 4096n, 65536n)]),
    ).toMatch('overlap');
  });

  it('is empty for an empty table', () => {
    expect(packRegions([])).toEqual([]);
  });
});

describe('placed memory layout', () => {
  it('places each region in the BAR of its file at its file offset', () => {
    fc.assert(
      fc.property(tables, (table) => {
        const bars = assignBars(distinctFiles(table));
        const placed = placeRegions(table, bars);
        for (const [i, { gpa, size, offset, bar }] of placed.entries()) {
          const original = table[i] as Region;
          expect({ gpa, size, offset }).toEqual({
            gpa: original.gpa,
            size: original.size,
            offset: original.fileOffset,
          });
          expect(bars.get(bar)).toMatchObject({ inode: original.file.inode });
          expect(offset + size).toBeLessThanOrEqual(barBytes(original.file.size));
        }
      }),
    );
  });

  it('keeps the BAR of a file that stays', () => {
    const before = assignBars([A, B]);
    expect([...before.keys()]).toEqual([2, 4]);
    const after = assignBars([B, C], before);
    expect(after.get(4)).toBe(B);
    expect(after.get(2)).toBe(C);
  });
});

describe('memory table checks', () => {
  const fault = (...regions: Region[]) => findFault(regions);

  it('accepts what front-ends send', () => {
    expect(findFault(QEMU_4G)).toBeNull();
  });

  it('names what is wrong', () => {
    const top = (1n << 64n) - 4096n;
    expect(fault(region(0n, 0n, 0n))).toMatch('empty');
    expect(fault(region(top, 8192n, 0n))).toMatch('guest-physical');
    expect(fault({ ...region(0n, 8192n, 0n), userAddress: top })).toMatch('user space');
    expect(fault(region(0n, 4096n, A.size))).toMatch('beyond its file');
    expect(fault(region(0n, 4096n, (1n << 64n) - 1n))).toMatch('beyond its file');
    expect(fault(region(0n, 8192n, 0n), region(4096n, 4096n, 65536n))).toMatch('overlaps in guest-physical');
    expect(
      fault(region(0n, 4096n, 0n), { ...region(65536n, 4096n, 0n), userAddress: 0x7f00_0000_0000n }),
    ).toMatch('overlaps in user space');
    const three = [A, B, C].map((of, i) => region(BigInt(i) * GIB, 4096n, 0n, of));
    expect(findFault(three)).toMatch('3 memory files');
    expect(fault(region(0n, 4096n, 0n, file(9n, 1n << 50n)))).toMatch('too large');
  });
});

describe('BAR size', () => {
  it('is the next power of two, at least a page', () => {
    expect([0n, 1n, 4096n, 4097n, 3n * GIB].map(barBytes)).toEqual([0n, 4096n, 4096n, 8192n, 4n * GIB]);
  });
});
