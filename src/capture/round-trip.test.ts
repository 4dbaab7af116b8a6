// SPDX-License-Identifier: BSD-3-Clause
// Whatever is written in either format is read again: bytes, lengths, times, interfaces.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { captureFolder, memory, readAll, type Written } from './capture.test-help.ts';
import { PcapWriter } from './pcap-writer.ts';
import { PcapngWriter } from './pcapng-writer.ts';
import { CaptureFile } from './reader.ts';
import { type CaptureWriter, writePacket } from './writer.ts';

const folder = captureFolder();
const INTERFACES = [{ name: 'net_null0', filter: 'udp' }, { name: 'net_null1' }, { name: 'ü' }];

const packet: fc.Arbitrary<Written> = fc
  .record({
    bytes: fc.uint8Array({ maxLength: 200 }),
    more: fc.nat(9000),
    seconds: fc.integer({ min: 0, max: 0xffff_ffff }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
    interfaceId: fc.nat(INTERFACES.length - 1),
    direction: fc.constantFrom('unknown', 'in', 'out'),
  })
  .map(({ bytes, more, ...rest }) => ({
    bytes,
    header: { ...rest, length: bytes.length, originalLength: bytes.length + more },
  }));
const packets = fc.array(packet, { maxLength: 40 });

function write(writer: CaptureWriter, all: readonly Written[]): void {
  for (const { header, bytes } of all) writePacket(writer, header, bytes);
  writer.statistics(0, { received: all.length, dropped: 1 });
  writer.flush();
}

function expectRead(path: string, all: readonly Written[], { unit = 1, named = true } = {}): void {
  const { packets: read, error } = readAll(path);
  expect(error).toBeUndefined();
  expect(read).toEqual(
    all.map(({ header, bytes }) => ({
      bytes: Uint8Array.from(bytes),
      offset: 0,
      length: header.length,
      originalLength: header.originalLength,
      seconds: header.seconds,
      nanoseconds: Math.floor(header.nanoseconds / unit) * unit,
      interfaceId: named ? header.interfaceId : 0,
      linkType: 1,
    })),
  );
}

describe('a written file', () => {
  test.prop([packets, fc.boolean(), fc.boolean()])(
    'of pcap is read again, in both orders and resolutions',
    (all, bigEndian, nanoseconds) => {
      const { sink, bytes } = memory();
      write(new PcapWriter({ sink, interfaces: INTERFACES, bigEndian, nanoseconds }), all);
      expectRead(folder.file(bytes()), all, { unit: nanoseconds ? 1 : 1000, named: false });
    },
  );

  test.prop([packets, fc.boolean()])('of pcapng is read again, in both orders', (all, bigEndian) => {
    const { sink, bytes } = memory();
    write(new PcapngWriter({ sink, interfaces: INTERFACES, bigEndian, comment: 'ä' }), all);
    expectRead(folder.file(bytes()), all);
  });

  test.prop([packets, packets])('of two sections of different order is read on', (first, second) => {
    const { sink, bytes } = memory();
    write(new PcapngWriter({ sink, interfaces: INTERFACES, bigEndian: true }), first);
    write(new PcapngWriter({ sink, interfaces: INTERFACES }), second);
    expectRead(folder.file(bytes()), [...first, ...second]);
  });

  it('is longer than every buffer, and can be read again from its start', () => {
    const { sink, bytes } = memory();
    const writer = new PcapngWriter({ sink, interfaces: INTERFACES });
    const sizes = [262_144, 0, 1, 262_143, 1500, 262_144, 262_144, 60];
    const all = sizes.map(
      (length, i): Written => ({
        bytes: new Uint8Array(length).fill(i + 1),
        header: {
          length,
          originalLength: length,
          seconds: 1,
          nanoseconds: i,
          interfaceId: 1,
          direction: 'in',
        },
      }),
    );
    write(writer, all);
    expect(writer.total).toBe(bytes().length);
    const path = folder.file(bytes());
    expectRead(path, all);
    const file = CaptureFile.open(path);
    const count = () => {
      let n = 0;
      while (file.next() !== undefined) n++;
      return n;
    };
    expect([count(), file.rewind(), count()]).toEqual([8, undefined, 8]);
    file.close();
    file.close();
    expect(() => file.rewind()).not.toThrow();
    file.close();
  });
});

describe('regression: a frame check sequence was a part of the packet', () => {
  const FCS = [1, 2, 3, 4];
  const whole = Uint8Array.from([...new Array(60).fill(9), ...FCS]);
  const all: Written[] = [
    { length: 64, originalLength: 64 },
    // Cut in the sequence, and before it.
    { length: 62, originalLength: 64 },
    { length: 20, originalLength: 64 },
    { length: 2, originalLength: 2 },
  ].map((lengths) => ({
    header: { ...lengths, seconds: 1, nanoseconds: 0, interfaceId: 0, direction: 'in' },
    bytes: whole.subarray(0, lengths.length),
  }));
  const lengths = (path: string) => {
    const { packets: read, error } = readAll(path);
    expect(error).toBeUndefined();
    for (const { bytes } of read) expect(bytes).toEqual(whole.subarray(0, bytes.length));
    return read.map(({ length, originalLength }) => [length, originalLength]);
  };
  const WITH = all.map(({ header }) => [header.length, header.originalLength]);
  const WITHOUT = [
    [60, 60],
    [60, 60],
    [20, 60],
    [0, 0],
  ];

  it.each([
    // libpcap's LT_FCS_LENGTH_PRESENT, and LT_FCS_LENGTH in words of 16 bits.
    [0x2400_0001, WITHOUT],
    [0x0400_0001, WITH],
    [0x2000_0001, WITH],
  ])('of pcap, link type %i', (linkType, expected) => {
    for (const bigEndian of [true, false]) {
      const { sink, bytes } = memory();
      write(new PcapWriter({ sink, interfaces: [{ linkType }], bigEndian }), all);
      expect(lengths(folder.file(bytes()))).toEqual(expected);
    }
  });

  it.each([
    [32, WITHOUT],
    // Octets, as some programs wrote it.
    [4, WITHOUT],
    [0, WITH],
  ])('of pcapng, if_fcslen %i', (value, expected) => {
    const { sink, bytes } = memory();
    write(new PcapngWriter({ sink, interfaces: [{ name: 'a' }] }), all);
    const file = bytes();
    // In place of the resolution, an option of one byte too, behind the section and the name.
    const option = 32 + 16 + 8;
    expect(file.readUInt32LE(option)).toBe(0x0001_0009);
    file.writeUInt16LE(13, option);
    file.writeUInt8(value, option + 4);
    expect(lengths(folder.file(file))).toEqual(expected);
  });

  /** A packet of 64 bytes; `options` in 16 or 32 bits, as they are written. */
  const ofFlags = (
    type: number,
    ifFcs: number,
    bigEndian: boolean,
    ...options: [size: 2 | 4, value: number][]
  ) => {
    const { sink, bytes } = memory();
    const endian = bigEndian ? 'BE' : 'LE';
    const writer = new PcapngWriter({ sink, interfaces: [{ name: 'a' }], bigEndian });
    writePacket(writer, (all[0] as Written).header, whole);
    writer.flush();
    const file = bytes();
    const option = 32 + 16 + 8;
    file[`writeUInt16${endian}`](13, option);
    file.writeUInt8(ifFcs, option + 4);
    // The packet's block is the last: head, packet, options of 12 bytes, tail.
    const block = file.length - (8 + 20 + 64 + 12 + 4);
    const words = options.map(([size, value]) => {
      const word = Buffer.alloc(size);
      if (size === 2) word[`writeUInt16${endian}`](value);
      else word[`writeUInt32${endian}`](value);
      return word;
    });
    const length = 8 + 20 + 64 + words.reduce((sum, word) => sum + word.length, 0) + 4;
    const tail = Buffer.alloc(4);
    tail[`writeUInt32${endian}`](length);
    const changed = Buffer.concat([file.subarray(0, block + 8 + 20 + 64), ...words, tail]);
    changed[`writeUInt32${endian}`](type, block);
    changed[`writeUInt32${endian}`](length, block + 4);
    return changed;
  };
  const FLAGS = [[2, 2] as [2, number], [2, 4] as [2, number]] as const;
  const END = [4, 0] as [4, number];
  // A comment of five bytes, and its padding.
  const COMMENT = [[2, 1] as [2, number], [2, 5] as [2, number], END, END] as const;
  const LONGER = [[2, 1] as [2, number], [2, 999] as [2, number]] as const;

  it.each([
    ['4 bytes', 0, [...FLAGS, [4, 0x81] as [4, number], END], 60],
    ['4 bytes, without an end of options', 0, [...FLAGS, [4, 0x80] as [4, number]], 60],
    ['4 bytes, behind a comment', 0, [...COMMENT, ...FLAGS, [4, 0x80] as [4, number], END], 60],
    ['2 bytes, and not the 4 of the interface', 32, [...FLAGS, [4, 0x40] as [4, number], END], 62],
    ['not known: those of the interface', 32, [...FLAGS, [4, 0xffff_fe1f] as [4, number], END], 60],
    ['15 bytes, the most', 0, [...FLAGS, [4, 0x1e0] as [4, number], END], 49],
    ['behind the end of options: not known', 0, [END, ...FLAGS, [4, 0x80] as [4, number]], 64],
    [
      'behind an option longer than its block: not known',
      0,
      [...LONGER, ...FLAGS, [4, 0x80] as [4, number]],
      64,
    ],
    ['no options', 0, [], 64],
  ])('of a packet of pcapng, epb_flags: %s', (_, ifFcs, options, expected) => {
    for (const type of [6, 2])
      for (const bigEndian of [true, false])
        expect(lengths(folder.file(ofFlags(type, ifFcs, bigEndian, ...options)))).toEqual([
          [expected, expected],
        ]);
  });

  it('of a packet of pcapng whose options are cut short is not known, and the packet is read', () => {
    const file = ofFlags(6, 0, false, ...FLAGS, [4, 0x80], END);
    const { packets: read, error } = readAll(folder.file(file.subarray(0, -10)));
    expect([read.length, error?.message]).toEqual([1, expect.stringContaining('cut short')]);
  });
});

describe.skipIf(!existsSync('/usr/bin/tshark'))('tshark', () => {
  it.each([true, false])('reads times, lengths and interfaces of ours (big-endian: %s)', (bigEndian) => {
    const { sink, bytes } = memory();
    const all: Written[] = [0, 1, 2].map((i) => ({
      bytes: new Uint8Array(60 + i),
      header: {
        length: 60 + i,
        originalLength: 100,
        seconds: 1_700_000_000 + i,
        nanoseconds: 123_456_789,
        interfaceId: i,
        direction: 'out',
      },
    }));
    write(new PcapngWriter({ sink, interfaces: INTERFACES, bigEndian }), all);
    const fields = ['frame.time_epoch', 'frame.cap_len', 'frame.len', 'frame.interface_name'];
    const out = execFileSync(
      'tshark',
      ['-r', folder.file(bytes()), '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    expect(out).toMatch(/^1700000000\.123456789\t60\t100\tnet_null0\n/);
    expect(out.trim().split('\n')).toHaveLength(3);
  });
});
