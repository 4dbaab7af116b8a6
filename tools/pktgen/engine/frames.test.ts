// SPDX-License-Identifier: BSD-3-Clause
// The frames of a stream: headers, fields, checksums, signatures.
import { afterEach, describe, expect, it } from 'vitest';
import { Mempool } from '../../../src/ethdev/mempool.ts';
import { internetChecksum } from '../../../src/packet/checksum.ts';
import { compileStream } from '../plan/compile.ts';
import type { FramePlan } from '../plan/frame-plan.ts';
import type { Stream } from '../plan/stream.ts';
import { FrameWriter } from './frame-writer.ts';
import { ReplayWriter } from './replay-writer.ts';

const MACS = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };
let pool: Mempool | undefined;
afterEach(() => pool?.close());

function writerOf(stream: Stream) {
  pool = new Mempool({ count: 4, dataRoom: 2048, hugepages: false });
  const { plan } = compileStream(stream, 0, MACS, '', 7);
  const frame = plan.frame as FramePlan;
  const writer = new FrameWriter(frame, pool, 0x5a5a_5a00, plan.seed);
  const mempool = pool;
  const next = (due: number) => {
    writer.write(1, due);
    const at = mempool.stride + mempool.headroom;
    return Buffer.from(mempool.bytes.slice(at, at + mempool.pktLen[1]));
  };
  return { writer, next, frame };
}

/** One's complement sum over pseudo-header and datagram or segment; 0 if the checksum is right. */
function l4Fault(frame: Buffer, ip: number, l4: number): number {
  const isIpv6 = (frame[ip] as number) >>> 4 === 6;
  const addresses = isIpv6 ? frame.subarray(ip + 8, ip + 40) : frame.subarray(ip + 12, ip + 20);
  const datagram = frame.subarray(l4);
  const protocol = frame[isIpv6 ? ip + 6 : ip + 9] as number;
  const pseudo = Buffer.from([0, protocol, datagram.length >>> 8, datagram.length & 0xff]);
  const padded = Buffer.alloc((datagram.length + 1) & ~1);
  datagram.copy(padded);
  const all = Buffer.concat([addresses, pseudo, padded]);
  return internetChecksum(all, 0, all.length);
}

const STREAMS: [string, Stream][] = [
  ['nothing given', {}],
  ['an odd size', { size: 77 }],
  ['a tag', { vlan: '10-12', priority: 5, size: 60 }],
  ['IPv6', { srcIp: '2001:2::1-2001:2::ff', dstIp: '2001:db8::192.0.2.1', size: 100 }],
  [
    'ranges',
    { srcIp: '10.0.0.1-10.255.0.1/3', dstPort: '1-65535/7', srcMac: '02:00:00:00:00:01-02:00:00:00:ff:ff' },
  ],
  ['random values', { srcIp: 'random:0.0.0.0-255.255.255.255', dstIp: 'random:1.0.0.0-9.0.0.0' }],
  [
    'lists',
    { dstIp: ['10.0.0.1', '192.168.1.1'], srcPort: '7,9,11', dstMac: [MACS.srcMac, '06:11:22:33:44:55'] },
  ],
  ['TCP', { protocol: 'tcp' }],
  ['TCP of an odd size', { protocol: 'tcp', size: 101, tcpFlags: 'psh+ack', tcpSeq: 4_294_967_295, vlan: 5 }],
  [
    'TCP fields that vary',
    {
      protocol: 'tcp',
      tcpFlags: 'syn,ack,fin+ack',
      tcpSeq: 'random:0-4294967295',
      tcpAck: '0-4294967295/65535',
    },
  ],
  [
    'TCP over IPv6',
    { protocol: 'tcp', srcIp: '2001:2::1-2001:2::ff', tcpSeq: '7,4294967295', size: 'random:88-200' },
  ],
  ['a mix', { size: 'imix' }],
  ['random sizes', { size: 'random:64-1518' }],
];

describe('frames', () => {
  it.each(STREAMS)('have right lengths, checksums and numbers with %s', (_, stream) => {
    const { next, frame: plan } = writerOf(stream);
    const { ip, l4, headers, isIpv6, protocol } = plan;
    const isTcp = stream.protocol === 'tcp';
    expect(protocol).toBe(isTcp ? 6 : 17);
    for (let i = 0; i < 2000; i++) {
      const frame = next(-i);
      expect(frame[isIpv6 ? ip + 6 : ip + 9]).toBe(protocol);
      expect(l4Fault(frame, ip, l4)).toBe(0);
      if (isTcp) expect([(frame[l4 + 12] as number) >>> 4, frame.readUInt16BE(l4 + 18)]).toEqual([5, 0]);
      else {
        expect(frame.readUInt16BE(l4 + 6)).not.toBe(0);
        expect(frame.readUInt16BE(l4 + 4)).toBe(frame.length - l4);
      }
      if (isIpv6) expect(frame.readUInt16BE(ip + 4)).toBe(frame.length - l4);
      else {
        expect(internetChecksum(frame, ip, 20)).toBe(0);
        expect(frame.readUInt16BE(ip + 2)).toBe(frame.length - ip);
      }
      const signature = [0, 4, 8].map((k) => frame.readInt32LE(headers.length + k));
      expect(signature).toEqual([0x5a5a_5a00, i, -i | 0]);
    }
  });

  it('step through ranges and lists, and begin anew after a reset', () => {
    const { writer, next } = writerOf({
      srcIp: '10.0.0.1-10.0.0.5/2',
      dstPort: [7, 9],
      vlan: 3,
      priority: 1,
    });
    const seen = () => {
      const frame = next(0);
      return [[...frame.subarray(30, 34)].join('.'), frame.readUInt16BE(40), frame.readUInt16BE(14)];
    };
    expect([seen(), seen(), seen(), seen()]).toEqual([
      ['10.0.0.1', 7, 0x2003],
      ['10.0.0.3', 9, 0x2003],
      ['10.0.0.5', 7, 0x2003],
      ['10.0.0.1', 9, 0x2003],
    ]);
    writer.reset(1);
    expect(seen()).toEqual(['10.0.0.1', 7, 0x2003]);
  });

  it('have the TCP flags and numbers that are asked for, in turns', () => {
    const { next, frame: plan } = writerOf({
      ...{ protocol: 'tcp', tcpFlags: ['none', 'syn', 'syn+ack', 'fin+syn+rst+psh+ack+urg+ece+cwr'] },
      ...{ tcpSeq: '4294967294-4294967295', tcpAck: '0-1448/1448', srcPort: '80-81' },
    });
    const seen = () => {
      const tcp = next(0).subarray(plan.l4);
      return [tcp[13], tcp.readUInt32BE(4), tcp.readUInt32BE(8), tcp.readUInt16BE(0), tcp.readUInt16BE(14)];
    };
    expect([seen(), seen(), seen(), seen(), seen()]).toEqual([
      [0, 4_294_967_294, 0, 80, 65_535],
      [2, 4_294_967_295, 1448, 81, 65_535],
      [0x12, 4_294_967_294, 0, 80, 65_535],
      [0xff, 4_294_967_295, 1448, 81, 65_535],
      [0, 4_294_967_294, 0, 80, 65_535],
    ]);
  });

  it('repeat random values with the same seed, and stay in their range', () => {
    const { writer, next } = writerOf({ dstPort: 'random:1000-1009', size: 'random:64-80/4' });
    const draw = () => Array.from({ length: 500 }, () => next(0)).map((f) => [f.readUInt16BE(36), f.length]);
    const first = draw();
    expect(new Set(first.map(([port]) => port)).size).toBe(10);
    expect(new Set(first.map(([, size]) => size))).toEqual(new Set([64, 68, 72, 76, 80]));
    writer.reset(1);
    expect(draw()).toEqual(first);
  });
});

it('a replay has the bytes of the capture, again and again', () => {
  pool = new Mempool({ count: 4, dataRoom: 2048, hugepages: false });
  const packets = [60, 61, 1514, 14].map((length, k) =>
    Uint8Array.from({ length }, (_, i) => (i + k) & 0xff),
  );
  const words = new Uint32Array(600);
  const starts = new Uint32Array(4);
  packets.reduce((at, packet, i) => {
    starts[i] = at;
    new Uint8Array(words.buffer).set(packet, 4 * at);
    return at + Math.ceil(packet.length / 4);
  }, 0);
  const lengths = Uint32Array.from(packets, ({ length }) => length);
  const writer = new ReplayWriter({ words, starts, lengths, dues: null, loopGap: 0 }, pool);
  for (let i = 0; i < 9; i++) {
    writer.write(2);
    const at = 2 * pool.stride + pool.headroom;
    expect(pool.bytes.slice(at, at + pool.pktLen[2])).toEqual(packets[i % 4]);
  }
});
