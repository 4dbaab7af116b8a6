// SPDX-License-Identifier: BSD-3-Clause
// Files that are cut, contradict themselves or are none at all: one line with the file and the offset, and
// every packet before the fault.
import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { PmdError } from '../errors.ts';
import { captureFolder, memory, readAll } from './capture.test-help.ts';
import { PcapWriter } from './pcap-writer.ts';
import { PcapngWriter } from './pcapng-writer.ts';
import { writePacket } from './writer.ts';

const folder = captureFolder();
const HEADER = { length: 60, originalLength: 60, seconds: 5, nanoseconds: 6, interfaceId: 0 } as const;

function sample(kind: 'pcap' | 'pcapng'): Buffer {
  const { sink, bytes } = memory();
  const Writer = kind === 'pcap' ? PcapWriter : PcapngWriter;
  const writer = new Writer({ sink, interfaces: [{ name: 'a' }] });
  for (let i = 0; i < 3; i++) writePacket(writer, { ...HEADER, direction: 'in' }, new Uint8Array(60));
  writer.flush();
  return bytes();
}

/** The sample with the words of `words` ([offset, value]) replaced. */
function spoiled(kind: 'pcap' | 'pcapng', ...words: readonly [number, number][]): string {
  const bytes = sample(kind);
  for (const [at, value] of words) bytes.writeUInt32LE(value, at);
  return folder.file(bytes);
}

// pcapng: section 32 bytes, interface 40 (name 8, resolution 8, end 4), packets of 104.
const SECTION = 0;
const INTERFACE = 32;
const PACKET = 72;

describe('a hostile file', () => {
  it.each<[string, string, number, RegExp]>([
    ['an empty one', folder.file(Buffer.alloc(0)), 0, /the header of the file is cut short, at byte 0$/],
    ['text', folder.file(Buffer.from('hello')), 0, /neither a pcap nor a pcapng file, at byte 0$/],
    ['pcap of version 3', spoiled('pcap', [4, 3]), 0, /version 3 of pcap is not known, at byte 0$/],
    ['a huge packet', spoiled('pcap', [24 + 8, 0xffff_ffff]), 0, /a packet of 4294967295 bytes, .* byte 24$/],
    [
      'a packet past the end',
      spoiled('pcap', [24 + 152 + 8, 61]),
      2,
      /the packet is cut short, at byte 176$/,
    ],
    ['a block of no bytes', spoiled('pcapng', [PACKET + 4, 0]), 0, /cannot have 0 bytes, at byte 72$/],
    ['a block of 13 bytes', spoiled('pcapng', [PACKET + 4, 13]), 0, /cannot have 13 bytes, at byte 72$/],
    ['a huge block', spoiled('pcapng', [PACKET + 4, 0xffff_fffc]), 1, /the block is cut short, at byte/],
    ['another length at the end', spoiled('pcapng', [PACKET + 100, 108]), 1, /104 bytes ends as one of 108/],
    ['no byte order', spoiled('pcapng', [SECTION + 8, 7]), 0, /without its byte-order magic, at byte 0$/],
    ['pcapng of version 9', spoiled('pcapng', [SECTION + 12, 9]), 0, /version 9 of pcapng is not known/],
    ['an unknown interface', spoiled('pcapng', [PACKET + 8, 1]), 0, /interface 1, which is not described/],
    [
      'a packet beyond its block',
      spoiled('pcapng', [PACKET + 20, 90]),
      0,
      /longer than its block, at byte 72/,
    ],
    ['an option beyond its block', spoiled('pcapng', [INTERFACE + 16, 0xff00_0002]), 0, /option is longer/],
    [
      'a short interface',
      spoiled('pcapng', [INTERFACE + 4, 16]),
      0,
      /too short for an interface, at byte 32/,
    ],
  ])('is refused: %s', (_name, path, before, message) => {
    const { packets, error } = readAll(path);
    expect(packets).toHaveLength(before);
    expect(error).toBeInstanceOf(PmdError);
    expect((error as PmdError).code).toBe('VPCI_CAPTURE_FILE');
    expect(error?.message).toMatch(message);
    expect(error?.message).toContain(`Failed to read ${path}: `);
  });

  it('regression: a block that is cut short is named with one article', () => {
    const whole = sample('pcapng');
    const cut = (length: number) => readAll(folder.file(whole.subarray(0, length))).error?.message;
    expect(cut(SECTION + 20)).toMatch(/: the section is cut short, at byte /);
    expect(cut(INTERFACE + 14)).toMatch(/: the interface is cut short, at byte /);
    expect(cut(PACKET + 20)).toMatch(/: the packet is cut short, at byte /);
  });

  it('that is missing or a folder is named', () => {
    expect(readAll('/nowhere/a.pcap').error?.message).toBe(
      'Failed to open /nowhere/a.pcap: ENOENT: no such file or directory',
    );
    expect(readAll('/tmp').error?.message).toBe('Failed to open /tmp: it is a directory, not a file');
  });

  test.prop([fc.constantFrom('pcap', 'pcapng'), fc.nat(400)])(
    'ends early: packets, then one line',
    (kind, end) => {
      const all = sample(kind);
      const { packets, error } = readAll(folder.file(all.subarray(0, end)));
      expect(packets.length).toBeLessThanOrEqual(3);
      if (error) expect(error.message).toMatch(/cut short, at byte \d+$/);
    },
  );

  test.prop([
    fc.constantFrom('pcap' as const, 'pcapng' as const),
    fc.array(fc.tuple(fc.nat(90), fc.integer({ min: 0, max: 0xffff_ffff })), { maxLength: 6 }),
  ])('with any words anywhere is read or refused', (kind, words) => {
    const { packets, error } = readAll(
      spoiled(kind, ...words.map(([at, word]): [number, number] => [at * 2, word])),
    );
    if (error) expect(error).toBeInstanceOf(PmdError);
    for (const one of packets) expect(one.bytes).toHaveLength(one.length);
  });

  test.prop([fc.uint8Array({ maxLength: 300 }), fc.constantFrom('pcap', 'pcapng')])(
    'of any bytes after a good start is read or refused',
    (bytes, kind) => {
      const { error } = readAll(folder.file(Buffer.concat([sample(kind).subarray(0, 72), bytes])));
      if (error) expect(error).toBeInstanceOf(PmdError);
    },
  );
});
