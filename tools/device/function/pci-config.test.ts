// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { PciConfig } from './pci-config.ts';

const GIB = 1n << 30n;

const make = (bars: Record<number, bigint> = { 2: GIB }, subsystemId = 21) => {
  const written: [number, number, number[]][] = [];
  const config = new PciConfig({
    subsystemId,
    vectors: 4,
    barBytes: (bar) => bars[bar] ?? 0n,
    memoryBytes: (bar) => (bars[bar] ?? 0n) / 2n,
    windowRead: (bar, offset, length) =>
      bar === 0 ? Uint8Array.from({ length }, (_, i) => offset + i) : null,
    windowWrite: (bar, offset, data) => written.push([bar, offset, [...data]]),
  });
  return { config, written };
};

const hex = (bytes: Uint8Array) => {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    if (/[1-9a-f]/.test(line)) lines.push(`${at.toString(16).padStart(2, '0')}: ${line}`);
  }
  return lines;
};

const word = (config: PciConfig, offset: number) =>
  new DataView(config.read(offset, 4).buffer).getUint32(0, true).toString(16).padStart(8, '0');
const ones = Uint8Array.of(0xff, 0xff, 0xff, 0xff);

describe('configuration space', () => {
  it('matches this image', () => {
    expect(hex(make().config.read(0, 256))).toEqual([
      '00: f4 1a 14 10 00 00 10 00 01 00 00 02 00 00 00 00',
      '10: 00 00 00 00 00 00 00 00 0c 00 00 00 00 00 00 00',
      '20: 00 00 00 00 00 00 00 00 00 00 00 00 f4 1a 15 00',
      '30: 00 00 00 00 40 00 00 00 00 00 00 00 00 00 00 00',
      // MSI-X at 40, common at 4c, notify at 5c, ISR at 70, device at 80, window at 90, regions at a4 and bc.
      '40: 11 4c 03 00 01 00 00 00 01 20 00 00 09 5c 10 01',
      '50: 00 00 00 00 00 00 00 00 00 10 00 00 09 70 14 02',
      '60: 00 00 00 00 00 30 00 00 00 10 00 00 04 00 00 00',
      '70: 09 80 10 03 00 00 00 00 00 10 00 00 00 10 00 00',
      '80: 09 90 10 04 00 00 00 00 00 20 00 00 00 10 00 00',
      '90: 09 a4 14 05 00 00 00 00 00 00 00 00 00 00 00 00',
      'a0: 00 00 00 00 09 bc 18 76 02 00 03 00 00 00 00 00',
      'b0: 00 00 00 00 00 00 00 20 00 00 00 00 09 00 18 76',
      'c0: 04 00 03 00 00 00 00 00 00 00 00 00 00 00 00 00',
    ]);
  });

  it('carries a different subsystem id', () => {
    expect([...make({}, 0x1234).config.read(0x2e, 2)]).toEqual([0x34, 0x12]);
  });

  it('reports BAR sizes after a write of all ones', () => {
    const { config } = make({ 2: GIB, 4: 8n * GIB });
    for (let at = 0x10; at < 0x28; at += 4) config.write(at, ones);
    expect([0x10, 0x14, 0x18, 0x1c, 0x20, 0x24].map((at) => word(config, at))).toEqual([
      'ffffc000',
      'ffffc000',
      'c000000c',
      'ffffffff',
      '0000000c',
      'fffffffe',
    ]);
  });

  it('has no address registers for absent BARs', () => {
    const { config } = make({});
    config.write(0x18, ones);
    expect(word(config, 0x18)).toBe('00000000');
  });

  it('accepts writes only where a driver may write', () => {
    const { config } = make();
    const before = config.read(0, 256);
    for (let at = 0; at < 256; at += 4) if (at < 0x90) config.write(at, ones);
    const after = config.read(0, 256);
    const changed = [...after.keys()].filter((at) => after[at] !== before[at]);
    const allowed = [4, 5, 0x0c, 0x3c, 0x43, ...Array.from({ length: 24 }, (_, i) => 0x10 + i)];
    expect(changed.filter((at) => !allowed.includes(at))).toEqual([]);
    expect([...config.read(4, 2)]).toEqual([6, 4]);
    expect([...config.read(0x42, 2)]).toEqual([3, 0xc0]);
  });

  it('returns to its initial state at a reset', () => {
    const { config } = make();
    const before = config.read(0, 256);
    for (let at = 0; at < 0x90; at += 4) config.write(at, ones);
    config.reset();
    expect(config.read(0, 256)).toEqual(before);
  });

  it('forwards window accesses of 1, 2 and 4 bytes', () => {
    const { config, written } = make();
    config.write(0x98, Uint8Array.of(0x20, 0, 0, 0, 2, 0, 0, 0));
    expect([...config.read(0xa0, 2)]).toEqual([0x20, 0x21]);
    config.write(0xa0, Uint8Array.of(7, 8));
    expect(written).toEqual([[0, 0x20, [7, 8]]]);
    config.write(0x9c, Uint8Array.of(3));
    config.write(0xa0, Uint8Array.of(9));
    expect(written).toHaveLength(1);
  });
});
