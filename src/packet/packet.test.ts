// SPDX-License-Identifier: BSD-3-Clause
// Fields, headers, addresses and checksums of packets.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyBytes, readInt32BE, readUint16BE, swapBytes, writeInt32BE, writeUint16BE } from './bytes.ts';
import { internetChecksum, transportChecksum, updatedChecksum } from './checksum.ts';
import { crc32c } from './crc32c.ts';
import { UDP_FRAME_HEADERS, udpFrameHeaders } from './frames.ts';
import { ARP, ETHER, IPV4, ipv4HeaderLength, isArp, isFragment, networkHeader, UDP } from './headers.ts';
import { ipv4Number, ipv4Text } from './ipv4.ts';

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const FLOW = {
  sourceMac: '02:00:00:00:00:01',
  destinationMac: '02:00:00:00:00:02',
  sourceIp: '192.168.0.1',
  destinationIp: '255.255.255.254',
  sourcePort: 5000,
  destinationPort: 7,
};

describe('fields', () => {
  property.prop([fc.nat({ max: 0xffff }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })])(
    'are stored and read in network byte order',
    (word, long) => {
      const bytes = new Uint8Array(8);
      writeUint16BE(bytes, 1, word);
      writeInt32BE(bytes, 3, long);
      const view = new DataView(bytes.buffer);
      expect([view.getUint16(1), view.getInt32(3)]).toEqual([word, long]);
      expect([readUint16BE(bytes, 1), readInt32BE(bytes, 3)]).toEqual([word, long]);
      expect([bytes[0], bytes[7]]).toEqual([0, 0]);
    },
  );

  it('are exchanged and copied', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6);
    swapBytes(bytes, 0, 3, 2);
    expect([...bytes]).toEqual([4, 5, 3, 1, 2, 6]);
    copyBytes(bytes, 4, 0, 2);
    expect([...bytes]).toEqual([4, 5, 3, 1, 4, 5]);
  });
});

describe('checksums', () => {
  it('of a header is that of RFC 1071', () => {
    const header = bytesOf('4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7');
    expect(internetChecksum(header, 0, 20)).toBe(0xb861);
  });

  property.prop([fc.uint8Array({ minLength: 3, maxLength: 65 }), fc.nat({ max: 0xffff })])(
    'over bytes of any number, its own included, is 0, and stays so after an update',
    (data, word) => {
      const bytes = Uint8Array.from([0, 0, ...data]);
      const length = bytes.length;
      writeUint16BE(bytes, 0, internetChecksum(bytes, 0, length));
      expect(internetChecksum(bytes, 0, length)).toBe(0);
      const before = readUint16BE(bytes, 2);
      writeUint16BE(bytes, 2, word);
      writeUint16BE(bytes, 0, updatedChecksum(readUint16BE(bytes, 0), before, word));
      expect(internetChecksum(bytes, 0, length)).toBe(0);
    },
  );

  property.prop([fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 7 })])(
    'are the sum of 16-bit words, one by one',
    (data, before) => {
      const bytes = Uint8Array.from([...new Array(before).fill(0xee), ...data, 0xee]);
      let sum = 0;
      for (const [i, byte] of data.entries()) sum += i % 2 === 0 ? byte << 8 : byte;
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
      expect(internetChecksum(bytes, before, data.length)).toBe(~sum & 0xffff);
    },
  );

  it('of 64 KiB of ones do not overflow', () => {
    expect(internetChecksum(new Uint8Array(65_535).fill(0xff), 0, 65_535)).toBe(0xff);
  });

  it.each([
    ['an even number of bytes', 4],
    ['an odd number of bytes', 5],
  ])('of UDP covers the pseudo-header: %s', (_, length) => {
    const payload = [0x68, 0x65, 0x6c, 0x6c, 0x6f].slice(0, length);
    const frame = Uint8Array.from([...udpFrameHeaders(FLOW, UDP_FRAME_HEADERS + length), ...payload, 0xee]);
    const ip = ETHER.HEADER;
    const checksum = transportChecksum(frame, ip);
    const pseudo = [
      ...frame.slice(ip + IPV4.SOURCE, ip + IPV4.SOURCE + 8),
      ...[0, 17, 0, UDP.HEADER + length],
      ...frame.slice(ip + IPV4.HEADER, ip + IPV4.HEADER + UDP.HEADER + length),
    ];
    expect(checksum).toBe(internetChecksum(Uint8Array.from(pseudo), 0, pseudo.length));
    expect(checksum).not.toBe(0);
    // With the checksum in one word of the payload, the sum is 0, which UDP writes as 0xffff.
    writeUint16BE(frame, UDP_FRAME_HEADERS, 0);
    writeUint16BE(frame, UDP_FRAME_HEADERS, transportChecksum(frame, ip));
    expect(transportChecksum(frame, ip)).toBe(0xffff);
    frame[ip + IPV4.PROTOCOL] = IPV4.PROTOCOL_TCP;
    expect(transportChecksum(frame, ip)).not.toBe(0xffff);
  });
});

describe('headers', () => {
  const plain = udpFrameHeaders(FLOW, 60);
  const tagged = Uint8Array.from([...plain.slice(0, 12), 0x81, 0, 0x20, 42, ...plain.slice(12)]);

  it('are found with and without a VLAN tag', () => {
    expect(networkHeader(plain, 0, plain.length)).toBe(14);
    expect(networkHeader(tagged, 0, tagged.length)).toBe(18);
    expect(readUint16BE(tagged, 16)).toBe(ETHER.TYPE_IPV4);
  });

  it('are not found in frames that end before them', () => {
    for (let end = 0; end < 14; end++) expect(networkHeader(plain, 0, end), `${end}`).toBe(-1);
    for (let end = 0; end < 18; end++) expect(networkHeader(tagged, 0, end), `${end}`).toBe(-1);
    for (let end = 14; end < 34; end++) expect(ipv4HeaderLength(plain, 14, end), `${end}`).toBe(0);
    expect(ipv4HeaderLength(plain, 14, 34)).toBe(20);
  });

  it.each([
    ['options', 0x46, 24],
    ['a length below the least', 0x44, 0],
    ['another version', 0x65, 0],
    ['a length past the end', 0x4f, 0],
  ])('of IPv4 with %s have a length of their own', (_, first, length) => {
    const frame = Uint8Array.from(plain);
    frame[14] = first;
    expect(ipv4HeaderLength(frame, 14, frame.length)).toBe(length);
  });

  it('say whether a packet is a fragment', () => {
    const frame = Uint8Array.from(plain);
    for (const [word, fragment] of [
      [0, false],
      [0x4000, false],
      [0x2000, true],
      [1, true],
    ] as const) {
      writeUint16BE(frame, 14 + IPV4.FRAGMENT, word);
      expect(isFragment(frame, 14), word.toString(16)).toBe(fragment);
    }
  });

  it('of ARP are those for IPv4 over Ethernet, and whole', () => {
    const arp = Uint8Array.from([0, 1, 8, 0, 6, 4, 0, 1, ...new Uint8Array(20)]);
    expect(isArp(arp, 0, ARP.LENGTH)).toBe(true);
    expect(isArp(arp, 0, ARP.LENGTH - 1)).toBe(false);
    for (let i = 0; i < 6; i++) {
      const other = Uint8Array.from(arp);
      other[i] ^= 1;
      expect(isArp(other, 0, ARP.LENGTH), `${i}`).toBe(false);
    }
  });
});

describe('IPv4 addresses', () => {
  property.prop([fc.ipV4()])('are numbers and text', (text) => {
    expect(ipv4Text(ipv4Number(text))).toBe(text);
    expect(ipv4Text(ipv4Number(text) >>> 0)).toBe(text);
  });

  it.each(['', '10.0.0', '10.0.0.256', '10.0.0.01', 'ten', undefined, 7])('%j is none', (text) => {
    expect(() => ipv4Number(text as string)).toThrow("address must be an IPv4 address such as '10.0.0.1'");
  });

  it('are written in network order', () => {
    const frame = udpFrameHeaders(FLOW, 60);
    expect(readInt32BE(frame, 14 + IPV4.DESTINATION)).toBe(-2);
    expect(internetChecksum(frame, 14, IPV4.HEADER)).toBe(0);
  });
});

describe('CRC32c', () => {
  it.each([
    // RFC 3720, B.4.
    ['00'.repeat(32), 0x8a9136aa],
    ['ff'.repeat(32), 0x62a8ab43],
    [Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('hex'), 0x46dd794e],
    [Buffer.from('123456789').toString('hex'), 0xe3069283],
    ['', 0],
  ])('of %s', (hex, crc) => {
    const bytes = bytesOf(`00${hex}00`);
    expect(crc32c(bytes, 1, bytes.length - 2)).toBe(crc);
  });
});
