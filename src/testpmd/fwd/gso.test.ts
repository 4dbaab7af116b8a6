// SPDX-License-Identifier: BSD-3-Clause
// GSO in mode csum: what is cut, put together again, is what arrived. test/modes-dpdk.test.ts compares it
// with DPDK's.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytes, ether, gre, ipv4, ipv6, tcp, udp, vxlan } from '../../../test/support/packets.ts';
import { MBUF_F_NEEDS_CSUM, MBUF_F_TSO4 } from '../../ethdev/mempool.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import { STREAM_DROPPED } from './engine.ts';
import { TestStream } from './stream.test-help.ts';

const [V4, V6, TCP, UDP, GRE] = [0x0800, 0x86dd, 6, 17, 47];

const stream = (gso: number, csum: object = {}, limit = 512) =>
  new TestStream({
    mode: 'csum',
    plan: { csum: { udp: 'sw', tcp: 'sw', macSwap: false, tunnels: true, gso, ...csum } },
    run: { burst: 8 },
    limit,
  });

/** What an IP packet says of itself; its checksums must be right. */
function read(packet: Buffer) {
  const version = (packet[0] ?? 0) >>> 4;
  const header = version === 4 ? 20 : 40;
  const length = version === 4 ? packet.readUInt16BE(2) : 40 + packet.readUInt16BE(4);
  expect(packet.length).toBe(length);
  if (version === 4) expect(internetChecksum(packet, 0, 20)).toBe(0);
  const fragment = version === 4 ? packet.readUInt16BE(6) : 0;
  return {
    payload: packet.subarray(header),
    protocol: packet[version === 4 ? 9 : 6],
    addresses: packet.subarray(version === 4 ? 12 : 8, header),
    id: packet.readUInt16BE(4),
    offset: (fragment & 0x1fff) * 8,
    more: (fragment & 0x2000) !== 0,
  };
}

function residue({ payload, protocol, addresses }: ReturnType<typeof read>): number {
  const pseudo = Buffer.of(0, protocol ?? 0, payload.length >> 8, payload.length & 0xff);
  const all = Buffer.concat([addresses, pseudo, payload]);
  return internetChecksum(all, 0, all.length);
}

/** Puts the fragments of a datagram together. */
function reassembled(parts: ReturnType<typeof read>[]): ReturnType<typeof read> {
  let offset = 0;
  parts.forEach((part, i) => {
    expect([part.offset, part.more]).toEqual([offset, i < parts.length - 1]);
    offset += part.payload.length;
  });
  return {
    ...(parts[0] as (typeof parts)[number]),
    payload: Buffer.concat(parts.map(({ payload }) => payload)),
  };
}

/** Puts the segments of a stream together; all but the last are as long as they may be. */
function stringOf(parts: ReturnType<typeof read>[], flags: number): Buffer {
  let sequence = 0x01020304;
  return Buffer.concat(
    parts.map((part, i) => {
      const { payload } = part;
      expect(residue(part)).toBe(0);
      expect(payload.readUInt32BE(4)).toBe(sequence);
      const last = i === parts.length - 1;
      expect(payload[13]).toBe((last ? flags : flags & ~9) & (i > 0 ? ~0x80 : 0xff));
      const data = payload.subarray(((payload[12] ?? 0) >>> 4) * 4);
      sequence += data.length;
      return data;
    }),
  );
}

const long = fc.record({
  length: fc.integer({ min: 1, max: 1700 }),
  gso: fc.integer({ min: 200, max: 1514 }),
  flags: fc.constantFrom(0x10, 0x18, 0x19, 0x90),
});

/** Ways to pack an IP packet, and the same in reverse. */
const PACKED = {
  Ethernet: [(ip: Buffer) => ether(V4, ip), 14],
  VXLAN: [(ip: Buffer) => ether(V4, ipv4({ protocol: UDP, id: 9 }, vxlan(ether(V4, ip), 1))), 64],
  GRE: [(ip: Buffer) => ether(V4, ipv4({ protocol: GRE, id: 9 }, gre(V4, ip, 0x20))), 42],
} as const;

describe('GSO', () => {
  property.prop([fc.constantFrom('Ethernet' as const, 'VXLAN' as const, 'GRE' as const), long])(
    'cuts TCP into segments that make up the stream',
    (kind, { length, gso, flags }) => {
      const [pack, inner] = PACKED[kind];
      const s = stream(gso);
      const payload = bytes(length);
      s.burst(pack(ipv4({ protocol: TCP, id: 0xffff }, tcp(payload, { flags }))));
      const sent = s.sent.map(({ bytes: frame }) => frame);
      for (const frame of sent) expect(frame.length).toBeLessThanOrEqual(gso);
      const parts = sent.map((frame) => read(frame.subarray(inner)));
      expect(stringOf(parts, flags)).toEqual(payload);
      expect(parts.map(({ id }) => id)).toEqual(parts.map((_, i) => (0xffff + i) & 0xffff));
      if (kind !== 'Ethernet') {
        const outer = sent.map((frame) => read(frame.subarray(14)));
        expect(outer.map(({ id }) => id)).toEqual(outer.map((_, i) => 9 + i));
        if (kind === 'VXLAN') expect(outer.map(residue)).toEqual(outer.map(() => 0));
      }
      expect(s.close()).toBe(0);
    },
  );

  property.prop([fc.constantFrom('Ethernet' as const, 'VXLAN' as const), long, fc.boolean()])(
    'cuts datagrams into fragments, whose checksum is that of the whole',
    (kind, { length, gso }, open) => {
      const [pack, inner] = PACKED[kind];
      const s = stream(gso, kind === 'Ethernet' && open ? { udp: 'hw' } : {});
      const payload = bytes(length);
      s.burst(pack(ipv4({ protocol: UDP, id: 7 }, udp(payload))));
      const sent = s.sent.map(({ bytes: frame }) => frame);
      for (const frame of sent) expect(frame.length).toBeLessThanOrEqual(gso);
      const whole = reassembled(sent.map((frame) => read(frame.subarray(inner))));
      expect(whole.payload.subarray(8)).toEqual(payload);
      if (s.sent[0]?.olFlags === 0) expect(residue(whole)).toBe(0);
      else expect(sent.length).toBe(1);
      expect(s.close()).toBe(0);
    },
  );

  it('cuts TCP over IPv6', () => {
    const s = stream(300);
    s.burst(ether(V6, ipv6(TCP, tcp(bytes(700)))));
    expect(s.sent.map(({ bytes: { length } }) => length)).toEqual([300, 300, 300, 96]);
    expect(
      stringOf(
        s.sent.map(({ bytes: frame }) => read(frame.subarray(14))),
        0x10,
      ),
    ).toEqual(bytes(700));
    expect(s.close()).toBe(0);
  });

  it('cuts what its sender left to be segmented, no longer than the sender said', () => {
    const s = stream(800);
    const bytesIn = ether(V4, ipv4({ protocol: TCP }, tcp(bytes(1000))));
    s.burst({ bytes: bytesIn, olFlags: MBUF_F_NEEDS_CSUM | MBUF_F_TSO4, gsoSize: 400 });
    expect(s.sent.map(({ bytes: { length } }) => length)).toEqual([454, 454, 254]);
    expect(s.sent.map(({ olFlags }) => olFlags)).toEqual([0, 0, 0]);
    expect(
      stringOf(
        s.sent.map(({ bytes: frame }) => read(frame.subarray(14))),
        0x10,
      ),
    ).toEqual(bytes(1000));
    expect(s.close()).toBe(0);
  });

  it('leaves alone what is not long, no UDP or TCP, a fragment, UDP over IPv6 or without data', () => {
    const s = stream(100);
    const frames = [
      ether(V4, ipv4({ protocol: UDP }, udp(bytes(50)))),
      ether(V4, ipv4({ protocol: 1 }, bytes(500))),
      ether(V4, ipv4({ protocol: UDP, fragment: 0x2000 }, udp(bytes(504)))),
      ether(V6, ipv6(UDP, udp(bytes(500)))),
      Buffer.concat([ether(V4, ipv4({ protocol: TCP }, tcp(bytes(0)))), Buffer.alloc(80)]),
    ];
    s.burst(...frames);
    expect(s.sent.map(({ bytes: { length } }) => length)).toEqual(frames.map(({ length }) => length));
    expect(s.close()).toBe(0);
  });

  it('drops a packet for whose pieces there is no memory, and loses none', () => {
    const s = stream(64);
    const rest = s.pool.vector(256);
    const taken = s.pool.alloc(rest, s.pool.available - 12);
    s.limit = 0;
    s.burst(ether(V4, ipv4({ protocol: UDP }, udp(bytes(1400)))));
    expect(s.stream.counters[STREAM_DROPPED]).toBeGreaterThan(0);
    s.pool.free(rest, 0, taken);
    expect(s.close()).toBe(0);
  });
});
