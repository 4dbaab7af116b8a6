// SPDX-License-Identifier: BSD-3-Clause
// Modes csum and 5tswap, packet by packet.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MBUF_F_NEEDS_CSUM, type MbufVector, Mempool } from '../../ethdev/mempool.ts';
import type { LcoreContext } from '../../lcore/context.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import { crc32c } from '../../packet/crc32c.ts';
import { udpFrameHeaders } from '../../packet/frames.ts';
import { type CsumPlan, type FwdStream, STREAM_STRIDE } from './engine.ts';
import { engineNamed } from './engines.ts';

const FLOW = {
  sourceMac: '02:00:00:00:00:01',
  destinationMac: '02:00:00:00:00:02',
  sourceIp: '192.168.0.1',
  destinationIp: '10.0.0.2',
  sourcePort: 5000,
  destinationPort: 7,
};

let pool: Mempool;
beforeEach(() => {
  pool = new Mempool({ count: 8, hugepages: false });
});
afterEach(() => pool.close());

interface Sent {
  readonly bytes: Buffer;
  readonly olFlags: number;
  readonly csumStart: number;
  readonly csumOffset: number;
}

/** Passes one frame through an engine. */
function pass(mode: string, frame: Uint8Array, csum?: CsumPlan, olFlags = 0): Sent {
  let sent: Sent | undefined;
  const stream = {
    plan: { txMac: '02:00:00:00:00:0a', peerMac: '02:00:00:00:00:0b', csum },
    run: { burst: 1, retries: 0 },
    rx: {
      burst: (pkts: MbufVector) => {
        pool.alloc(pkts, 1);
        const [id] = pkts.ids;
        pool.bytes.set(frame, id * pool.stride + pool.dataOff[id]);
        pool.dataLen[id] = frame.length;
        pool.pktLen[id] = frame.length;
        pool.olFlags[id] = olFlags;
        return 1;
      },
    },
    tx: {
      burst: (pkts: MbufVector) => {
        const [id] = pkts.ids;
        const at = id * pool.stride + pool.dataOff[id];
        sent = {
          bytes: Buffer.from(pool.bytes.slice(at, at + pool.dataLen[id])),
          olFlags: pool.olFlags[id],
          csumStart: pool.csumStart[id],
          csumOffset: pool.csumOffset[id],
        };
        pool.free(pkts, 0, 1);
        return 1;
      },
    },
    pool,
    pkts: pool.vector(1),
    counters: new Float64Array(STREAM_STRIDE),
    state: undefined,
  } as unknown as FwdStream;
  const engine = engineNamed(mode);
  engine.streamInit?.(stream, {} as LcoreContext);
  engine.packetFwd(stream);
  if (!sent) throw new Error('nothing was sent');
  return sent;
}

/** UDP or TCP, with a wrong checksum, over IPv4 or IPv6, with `padding` bytes behind. */
function frame(version: 4 | 6, protocol: 6 | 17, payload: Uint8Array, padding = 0): Buffer {
  const header = protocol === 17 ? 8 : 20;
  const length = header + payload.length;
  const l4 = Buffer.alloc(length + padding, 0);
  l4.writeUInt16BE(FLOW.sourcePort, 0);
  l4.writeUInt16BE(FLOW.destinationPort, 2);
  if (protocol === 17) l4.writeUInt16BE(length, 4);
  else l4[12] = 0x50;
  l4.writeUInt16BE(0xdead, protocol === 17 ? 6 : 16);
  l4.set(payload, header);
  const v4 = Buffer.from(udpFrameHeaders(FLOW, 14 + 20 + length)).subarray(0, 34);
  v4[23] = protocol;
  v4.writeUInt16BE(0xbeef, 24);
  if (version === 4) return Buffer.concat([v4, l4]);
  const v6 = Buffer.alloc(40);
  v6.set([0x60, 0, 0, 0, length >> 8, length & 0xff, protocol, 64]);
  v6.fill(0xa1, 8, 24).fill(0x5c, 24, 40);
  return Buffer.concat([v4.subarray(0, 12), Buffer.of(0x86, 0xdd), v6, l4]);
}

/** 0 if the transport checksum is right: the sum over pseudo-header and packet. */
function residue(version: 4 | 6, protocol: number, length: number, sent: Buffer): number {
  const l4 = version === 4 ? 34 : 54;
  const addresses = version === 4 ? sent.subarray(26, 34) : sent.subarray(22, 54);
  const all = Buffer.concat([
    addresses,
    Buffer.of(0, protocol, length >> 8, length & 0xff),
    sent.subarray(l4, l4 + length),
  ]);
  return internetChecksum(all, 0, all.length);
}

const plan = (tcp: 'sw' | 'hw', udp: 'sw' | 'hw', macSwap = true): CsumPlan => ({ tcp, udp, macSwap });

describe('csum', () => {
  property.prop([
    fc.constantFrom(4 as const, 6 as const),
    fc.constantFrom(6 as const, 17 as const),
    fc.uint8Array({ maxLength: 99 }),
    fc.nat({ max: 20 }),
  ])('computes the checksums of any packet', (version, protocol, payload, padding) => {
    const original = frame(version, protocol, payload, padding);
    const { bytes, olFlags } = pass('csum', original);
    expect(olFlags).toBe(0);
    expect(residue(version, protocol, (protocol === 17 ? 8 : 20) + payload.length, bytes)).toBe(0);
    if (version === 4) expect(internetChecksum(bytes, 14, 20)).toBe(0);
    expect(bytes.length).toBe(original.length);
  });

  property.prop([
    fc.constantFrom(4 as const, 6 as const),
    fc.constantFrom(6 as const, 17 as const),
    fc.uint8Array({ maxLength: 99 }),
  ])('leaves them to the TX port where asked to, and cuts the padding off', (version, protocol, payload) => {
    const sent = pass('csum', frame(version, protocol, payload, 9), plan('hw', 'hw'));
    const l4 = version === 4 ? 34 : 54;
    expect(sent.olFlags).toBe(MBUF_F_NEEDS_CSUM);
    expect([sent.csumStart, sent.csumOffset]).toEqual([l4, protocol === 17 ? 6 : 16]);
    expect(sent.bytes.length).toBe(l4 + (protocol === 17 ? 8 : 20) + payload.length);
    // What the port does: the sum from csumStart to the end, which starts from the pseudo-header's.
    sent.bytes.writeUInt16BE(internetChecksum(sent.bytes, l4, sent.bytes.length - l4), l4 + sent.csumOffset);
    expect(residue(version, protocol, sent.bytes.length - l4, sent.bytes)).toBe(0);
  });

  it('computes the checksum of SCTP, by CRC32c', () => {
    // A common header with a chunk, padded; over IPv4, whose protocol is set here.
    const sctp = Buffer.from('0b590b59000000010000000003000010000000010000a00000000000', 'hex');
    const original = Buffer.concat([frame(4, 17, new Uint8Array(sctp.length - 8)).subarray(0, 34), sctp]);
    original[23] = 132;
    const crc = pass('csum', original).bytes.readUInt32LE(34 + 8);
    expect(crc).toBe(crc32c(sctp, 0, sctp.length));
    expect(pass('csum', original, { ...plan('sw', 'sw'), sctp: 'hw' }).bytes.readUInt32LE(42)).toBe(crc);
  });

  it('sets the addresses, unless told to leave them', () => {
    const original = frame(4, 17, Buffer.of(1));
    expect(pass('csum', original).bytes.toString('hex', 0, 12)).toBe('02000000000b02000000000a');
    const left = pass('csum', original, plan('sw', 'sw', false)).bytes;
    expect(left.toString('hex', 0, 12)).toBe(original.toString('hex', 0, 12));
  });

  it('leaves alone what is open, absent, a fragment, cut short or no IP', () => {
    const original = frame(4, 17, Buffer.of(1));
    const l4 = (bytes: Uint8Array, olFlags = 0) => pass('csum', bytes, undefined, olFlags).bytes.subarray(34);
    expect(l4(original, MBUF_F_NEEDS_CSUM)).toEqual(original.subarray(34));
    const none = Buffer.from(original);
    none.writeUInt16BE(0, 40);
    expect(l4(none)).toEqual(none.subarray(34));
    const fragment = Buffer.from(original);
    fragment[20] = 0x20;
    expect(l4(fragment)).toEqual(fragment.subarray(34));
    for (let end = 14; end < original.length; end++) pass('csum', original.subarray(0, end));
    expect(l4(original.subarray(0, -1))).toEqual(original.subarray(34, -1));
    const arp = Buffer.from(original);
    arp.writeUInt16BE(0x0806, 12);
    expect(pass('csum', arp).bytes.subarray(12)).toEqual(arp.subarray(12));
  });
});

describe('5tswap', () => {
  property.prop([
    fc.constantFrom(4 as const, 6 as const),
    fc.constantFrom(6 as const, 17 as const),
    fc.uint8Array({ maxLength: 40 }),
  ])('swaps addresses and ports, and is undone by itself', (version, protocol, payload) => {
    const original = frame(version, protocol, payload);
    const { bytes } = pass('5tswap', original);
    const l4 = version === 4 ? 34 : 54;
    const size = version === 4 ? 4 : 16;
    const from = version === 4 ? 26 : 22;
    expect(bytes.subarray(0, 6)).toEqual(original.subarray(6, 12));
    expect(bytes.subarray(from, from + size)).toEqual(original.subarray(from + size, from + 2 * size));
    expect([bytes.readUInt16BE(l4), bytes.readUInt16BE(l4 + 2)]).toEqual([7, 5000]);
    expect(pass('5tswap', bytes).bytes).toEqual(original);
  });

  it('takes frames that end anywhere', () => {
    const original = frame(6, 6, Buffer.of());
    for (let end = 12; end <= original.length; end++) pass('5tswap', original.subarray(0, end));
  });
});
