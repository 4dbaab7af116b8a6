// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeSysfs } from '../../test/support/fake-sysfs.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { native } from '../native.ts';
import { checkAlternate, checkSameMemory, mapAlternate } from './alternate-mapping.ts';
import type { SharedArea } from './carrier.ts';
import { classify, measureReadSpeed } from './read-speed.ts';

const SIZE = 0x10_0000;

describe('an alternate mapping of the memory', () => {
  let folder: string;
  let before: number;
  let path: string;
  const areas: SharedArea[] = [];
  const map = (offset: number, bytes: number, at = path) => {
    const area = mapAlternate({ path: at, offset }, bytes);
    areas.push(area);
    return area;
  };

  beforeEach(() => {
    before = openFds();
    folder = mkdtempSync(join(tmpdir(), 'vpci-mapping-'));
    path = join(folder, 'memory');
    writeFileSync(
      path,
      new Uint8Array(SIZE).map((_, index) => (index >> 6) & 0xff),
    );
  });
  afterEach(() => {
    for (const { mapping } of areas.splice(0)) native.unmap(mapping);
    rmSync(folder, { recursive: true });
    expect(openFds()).toBe(before);
  });

  it('is mapped from its offset, in whole pages', () => {
    const area = map(0x1000, 5000);
    expect([area.offset, area.size]).toEqual([0, 8192]);
    expect(new Uint8Array(native.mappingBuffer(area.mapping))[64]).toBe(65);
  });

  it.each([
    [0, SIZE + 1, /it has 1048576 bytes there, but the peer's memory is 1052672 bytes$/],
    [SIZE, 1, /it has 0 bytes there/],
    [100, 4096, /the offset is not a multiple of 4096$/],
  ])('is refused at %i for %i bytes', (offset, bytes, expected) => {
    expect(() => map(offset, bytes)).toThrow(expect.objectContaining({ code: 'VPCI_BAD_MEMORY' }));
    expect(() => map(offset, bytes)).toThrow(expected);
  });

  it('is refused if it cannot be opened, or is not memory', () => {
    expect(() => checkAlternate({ path: join(folder, 'none'), offset: 0 })).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
    expect(() => map(0, 4096, folder)).toThrow(/^Failed to map the peer's memory from .*EISDIR/);
    expect(() => map(0, 4096, '/dev/null')).toThrow(/^Failed to map the peer's memory from .*ENODEV/);
    expect(() => checkAlternate({ path, offset: 0 })).not.toThrow();
  });

  it('takes size and alignment of a character device from sysfs', () => {
    const { rdev } = statSync('/dev/null');
    const number = `${rdev >> 8}:${rdev & 0xff}`;
    const sysfs = new FakeSysfs(join(folder, 'sys'));
    const alternate = { path: '/dev/null', offset: 0x1000 };
    sysfs.file(`dev/char/${number}/size`, `${SIZE}\n`);
    sysfs.file(`dev/char/${number}/align`, '2097152\n');
    expect(() => mapAlternate(alternate, 4096, { sysfs: sysfs.root })).toThrow(
      /the offset is not a multiple of 2097152/,
    );
    expect(() => mapAlternate({ ...alternate, offset: 0 }, 4096, { sysfs: sysfs.root })).toThrow(
      /it has 1048576 bytes there/,
    );
    sysfs.file(`dev/char/${number}/maps/map1/size`, '0x2000\n');
    expect(() => mapAlternate(alternate, 0x2001, { sysfs: sysfs.root })).toThrow(/it has 8192 bytes there/);
  });

  it('must show the same bytes as the BAR', () => {
    const bar = [map(0, SIZE)];
    const region = { gpa: 0n, size: BigInt(SIZE), window: 2, offset: 0n };
    const alternate = { path, offset: 0 };
    expect(() => checkSameMemory(alternate, 'BAR 2', map(0, SIZE), bar, [region])).not.toThrow();
    const other = join(folder, 'other');
    writeFileSync(other, '');
    truncateSync(other, SIZE);
    expect(() =>
      checkSameMemory({ path: other, offset: 0 }, 'BAR 2', map(0, SIZE, other), bar, [region]),
    ).toThrow(`${other}@0: it is not the memory behind BAR 2: 192 of 256 places differ`);
  });
});

describe('read speed', () => {
  it.each([
    [1, 1, 'write-back'],
    [39, 0.5, 'write-back'],
    [300, 1, 'uncached'],
    [100, 20, 'write-back'],
    [2000, 20, 'uncached'],
  ] as const)('%f ns beside %f ns of own memory is %s', (ns, local, type) => {
    expect(classify(ns, local)).toBe(type);
  });

  it('of the memory of this process is that of cached memory', () => {
    const mapping = native.mapAnonymous(4096, false);
    expect(measureReadSpeed(mapping, 100, 3000)).toMatchObject({ cacheType: 'write-back' });
    expect(measureReadSpeed(mapping, 100, 20).nsPerLine).toBe(0);
    native.unmap(mapping);
  });
});
