// SPDX-License-Identifier: BSD-3-Clause
// Mode csum with GRO, GSO and TSO, and its count of wrong checksums.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MBUF_F_CSUM_VALID, MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6 } from '../../ethdev/mempool.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import { CHECKS_IP, CHECKS_TCP, CHECKS_UDP, type CsumPlan, STREAM_BAD_IP, STREAM_BAD_L4 } from './engine.ts';
import { type Sent, TestStream } from './stream.test-help.ts';

interface Tcp {
  readonly sequence: number;
  readonly payload: Uint8Array;
  readonly port?: number;
  readonly flags?: number;
  readonly id?: number;
  readonly padding?: number;
  readonly version?: 4 | 6;
}

/** A TCP packet with right checksums and an option; of IPv4, not to be fragmented unless it has an id. */
function tcp({ sequence, payload, port = 1, flags = 0x10, id, padding = 0, version = 4 }: Tcp): Buffer {
  const l4 = Buffer.alloc(24 + payload.length);
  l4.writeUInt16BE(port, 0);
  l4.writeUInt16BE(80, 2);
  l4.writeUInt32BE(sequence >>> 0, 4);
  l4.writeUInt32BE(77, 8);
  l4.set([0x60, flags, 0x20, 0], 12);
  l4.set([1, 1, 1, 0], 20);
  l4.set(payload, 24);
  const addresses = version === 4 ? Buffer.of(10, 0, 0, 1, 10, 0, 0, 2) : Buffer.alloc(32, 0xfd);
  const pseudo = Buffer.concat([addresses, Buffer.of(0, 6, l4.length >> 8, l4.length & 0xff), l4]);
  l4.writeUInt16BE(internetChecksum(pseudo, 0, pseudo.length), 16);
  const ip = Buffer.alloc(version === 4 ? 12 : 8);
  if (version === 4) {
    ip.set([0x45, 0, 0, 0, 0, 0, id === undefined ? 0x40 : 0, 0, 64, 6]);
    ip.writeUInt16BE(20 + l4.length, 2);
    ip.writeUInt16BE(id ?? 0, 4);
    const header = Buffer.concat([ip, addresses]);
    ip.writeUInt16BE(internetChecksum(header, 0, 20), 10);
  } else {
    ip.set([0x60, 0, 0, 0, l4.length >> 8, l4.length & 0xff, 6, 64]);
  }
  const type = version === 4 ? [8, 0] : [0x86, 0xdd];
  const ether = Buffer.of(2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ...type);
  return Buffer.concat([ether, ip, addresses, l4, Buffer.alloc(padding)]);
}

const bytesOf = (n: number, from = 0) => Uint8Array.from({ length: n }, (_, i) => from + i);
const stream = (gro: number, csum: object = {}) =>
  new TestStream({
    mode: 'csum',
    plan: { gro, csum: { udp: 'sw', tcp: 'sw', macSwap: false, ...csum } },
    run: { burst: 8 },
  });

/** The packets that a TX port makes of one that is to be segmented. */
function segments(sent: Sent): { sequence: number; payload: Buffer }[] {
  const payload = sent.bytes.subarray(14 + 20 + 24);
  const sequence = sent.bytes.readUInt32BE(38);
  if ((sent.olFlags & MBUF_F_TSO4) === 0) return [{ sequence, payload }];
  const count = Math.ceil(payload.length / sent.gsoSize);
  return Array.from({ length: count }, (_, i) => ({
    sequence: (sequence + i * sent.gsoSize) >>> 0,
    payload: payload.subarray(i * sent.gsoSize, (i + 1) * sent.gsoSize),
  }));
}

describe('GRO', () => {
  it('merges the packets of a stream, and says how they are to be segmented', () => {
    const s = stream(1);
    s.burst(
      tcp({ sequence: 1000, payload: bytesOf(6), padding: 2 }),
      tcp({ sequence: 1006, payload: bytesOf(6, 6) }),
      tcp({ sequence: 1012, payload: bytesOf(3, 12), padding: 9 }),
    );
    expect(s.sent.length).toBe(1);
    const [{ bytes, ...meta }] = s.sent;
    expect(meta).toEqual({
      segments: 3,
      olFlags: MBUF_F_NEEDS_CSUM | MBUF_F_TSO4,
      ...{ csumStart: 34, csumOffset: 16, gsoSize: 6 },
    });
    expect([...bytes.subarray(58)]).toEqual([...bytesOf(15)]);
    expect([bytes.readUInt16BE(16), internetChecksum(bytes, 14, 20)]).toEqual([59, 0]);
    const pseudo = Buffer.concat([bytes.subarray(26, 34), Buffer.of(0, 6, 0, 39)]);
    expect(bytes.readUInt16BE(50)).toBe(~internetChecksum(pseudo, 0, pseudo.length) & 0xffff);
    expect(s.close()).toBe(0);
  });

  it.each<[string, Partial<Tcp>]>([
    ['there is a gap', { sequence: 1007 }],
    ['it is of another flow', { port: 2 }],
    ['it ends the stream', { flags: 0x11 }],
    ['it is longer', { payload: bytesOf(7) }],
    ['it is empty', { payload: bytesOf(0) }],
    ['it may be fragmented', { id: 1 }],
  ])('leaves a packet alone where %s', (_, other) => {
    const s = stream(1);
    s.burst(
      tcp({ sequence: 1000, payload: bytesOf(6) }),
      tcp({ sequence: 1006, payload: bytesOf(6), ...other }),
    );
    expect(s.sent.map(({ segments }) => segments)).toEqual([1, 1]);
    expect(s.sent.map(({ olFlags }) => olFlags)).toEqual([0, 0]);
    expect(s.close()).toBe(0);
  });

  it('merges packets that may be fragmented where their identifications count up', () => {
    const packet = (n: number, id: number) => tcp({ sequence: 6 * n, payload: bytesOf(6), id });
    const s = stream(1);
    s.burst(packet(0, 0xffff), packet(1, 0), packet(2, 2));
    expect(s.sent.map(({ segments }) => segments)).toEqual([2, 1]);
    s.close();
  });

  it('waits for as many bursts as set gro flush says, without sleeping meanwhile', () => {
    const s = stream(3);
    s.burst(tcp({ sequence: 0, payload: bytesOf(6) }));
    s.burst(tcp({ sequence: 6, payload: bytesOf(6) }));
    expect(s.sent.length).toBe(0);
    s.burst();
    expect(s.sent.map(({ segments }) => segments)).toEqual([2]);
    expect(s.burst()).toBe(0);
    expect(s.burst(tcp({ sequence: 12, payload: bytesOf(6) }))).toBe(1);
    expect(s.burst()).toBe(1);
    expect(s.close()).toBe(0);
  });

  property.prop([
    fc.constantFrom(1, 2, 4),
    fc.array(
      fc.array(
        fc.record({
          port: fc.integer({ min: 1, max: 3 }),
          length: fc.integer({ min: 0, max: 30 }),
          flags: fc.constantFrom(0x10, 0x10, 0x10, 0x18, 0x11),
          skip: fc.constantFrom(0, 0, 0, 0, 5),
        }),
        { maxLength: 8 },
      ),
      { maxLength: 6 },
    ),
  ])('segmented again, it is what was received, in order', (cycles, bursts) => {
    const next = new Map<number, number>();
    const expected = new Map<number, { sequence: number; payload: number[] }[]>();
    const s = stream(cycles);
    for (const burst of bursts)
      s.burst(
        ...burst.map(({ port, length, flags, skip }) => {
          const sequence = ((next.get(port) ?? 0xffff_fff0) + skip) >>> 0;
          next.set(port, (sequence + length) >>> 0);
          const payload = bytesOf(length, sequence & 0x3f);
          expected.set(port, [...(expected.get(port) ?? []), { sequence, payload: [...payload] }]);
          return tcp({ port, sequence, payload, flags });
        }),
      );
    for (let i = 0; i < cycles; i++) s.burst();
    const sent = new Map<number, { sequence: number; payload: number[] }[]>();
    for (const packet of s.sent) {
      const port = packet.bytes.readUInt16BE(34);
      const parts = segments(packet).map(({ sequence, payload }) => ({ sequence, payload: [...payload] }));
      sent.set(port, [...(sent.get(port) ?? []), ...parts]);
    }
    expect(sent).toEqual(expected);
    expect(s.close()).toBe(0);
  });
});

describe('segmentation', () => {
  it('of long TCP packets is left to the TX port by tso set', () => {
    const s = stream(0, { tso: 10 });
    s.burst(tcp({ sequence: 0, payload: bytesOf(11) }), tcp({ sequence: 0, payload: bytesOf(10) }));
    expect(s.sent.map((packet) => [packet.olFlags, packet.gsoSize])).toEqual([
      [MBUF_F_NEEDS_CSUM | MBUF_F_TSO4, 10],
      [0, 0],
    ]);
    s.close();
  });

  it('is that of IPv6 too', () => {
    const s = stream(0, { tso: 10 });
    s.burst(tcp({ sequence: 0, payload: bytesOf(11), version: 6 }));
    expect(s.sent[0].olFlags).toBe(MBUF_F_NEEDS_CSUM | MBUF_F_TSO6);
    s.close();
  });
});

describe('wrong checksums', () => {
  const spoilt = (at: number) => {
    const frame = tcp({ sequence: 0, payload: bytesOf(9) });
    frame[at] ^= 1;
    return frame;
  };
  const bad = ({ stream: { counters } }: TestStream) => [counters[STREAM_BAD_IP], counters[STREAM_BAD_L4]];

  const counted = (
    csum: CsumPlan,
    checks: number,
    frames: readonly Parameters<TestStream['burst']>[number][],
  ) => {
    const s = new TestStream({ mode: 'csum', plan: { csum, checks } });
    s.burst(...frames);
    const result = bad(s);
    s.close();
    return result;
  };

  it.each([
    [0, [0, 0]],
    [CHECKS_IP, [1, 0]],
    [CHECKS_TCP, [0, 2]],
    [CHECKS_UDP, [0, 0]],
    [CHECKS_IP | CHECKS_UDP | CHECKS_TCP, [1, 2]],
  ])('are counted of what the RX port checks: 0x%x', (checks, counts) => {
    const frames = [tcp({ sequence: 0, payload: bytesOf(9) }), spoilt(22), spoilt(60), spoilt(50)];
    expect(counted({ udp: 'sw', tcp: 'sw', macSwap: false }, checks, frames)).toEqual(counts);
  });

  it.each([
    [0, 0],
    [CHECKS_TCP, 1],
  ])('are also looked for where the TX port computes them: 0x%x', (checks, count) => {
    const good = { bytes: spoilt(60), olFlags: MBUF_F_CSUM_VALID };
    const frames = [tcp({ sequence: 0, payload: bytesOf(9) }), spoilt(60), good];
    expect(counted({ udp: 'sw', tcp: 'hw', macSwap: false }, checks, frames)).toEqual([0, count]);
  });
});
