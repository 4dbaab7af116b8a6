// SPDX-License-Identifier: BSD-3-Clause
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, type MbufVector, Mempool } from '../../ethdev/mempool.ts';
import { type FwdStream, STREAM_DROPPED, STREAM_RX, STREAM_STRIDE, STREAM_TX } from './engine.ts';
import { answer, icmpecho } from './icmpecho.ts';

const MAC = [2, 0x76, 0x70, 0x63, 0x69, 0];
const ASKER = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const GROUP = [1, 0, 0x5e, 0, 0, 1];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const OURS = [10, 0, 0, 1];
const HIS = [10, 0, 0, 2];
/** A tag with priority 1 and VLAN 42, as placed between the addresses and the type. */
const TAG = [0x81, 0, 0x20, 42];

const pool = new Mempool({ count: 16, dataRoom: 2048, hugepages: false });
const pkts = pool.vector(8);
afterAll(() => pool.close());
beforeEach(() => expect(pool.available).toBe(16));

/** RFC 1071. */
function sum(bytes: readonly number[]): number {
  let total = 0;
  bytes.forEach((byte, i) => {
    total += i % 2 === 0 ? byte << 8 : byte;
  });
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

const checked = (bytes: readonly number[], at: number) => {
  const value = ~sum([...bytes.slice(0, at), 0, 0, ...bytes.slice(at + 2)]) & 0xffff;
  return [...bytes.slice(0, at), value >>> 8, value & 0xff, ...bytes.slice(at + 2)];
};

interface Echo {
  to?: number[];
  destination?: number[];
  source?: number[];
  options?: number[];
  fragment?: number;
  payload?: number[];
  tag?: number[];
}

const PAYLOAD = Array.from({ length: 56 }, (_, i) => i);

/** An echo request, as a Linux guest sends it. */
function echo(given: Echo = {}): number[] {
  const { to = MAC, destination = OURS, source = HIS, options = [], fragment = 0x4000 } = given;
  const icmp = checked([8, 0, 0, 0, 0x12, 0x34, 0, 7, ...(given.payload ?? PAYLOAD)], 2);
  const header = 20 + options.length;
  const total = header + icmp.length;
  const ip = [0x40 | (header / 4), 0, total >> 8, total & 255, 0xab, 0xcd, fragment >> 8, fragment & 255];
  const whole = checked([...ip, 64, 1, 0, 0, ...source, ...destination, ...options], 10);
  return [...to, ...ASKER, ...(given.tag ?? []), 8, 0, ...whole, ...icmp];
}

function arp(operation = 1, tag: number[] = []): number[] {
  const body = [0, 1, 8, 0, 6, 4, 0, operation, ...ASKER, ...HIS, 0, 0, 0, 0, 0, 0, ...OURS];
  return [...BROADCAST, ...ASKER, ...tag, 8, 6, ...body];
}

function put(frame: readonly number[], olFlags = 0): number {
  pool.alloc(pkts, 1);
  const mbuf = pkts.ids[0];
  pool.bytes.set(frame, mbuf * pool.stride + pool.dataOff[mbuf]);
  pool.dataLen[mbuf] = frame.length;
  pool.pktLen[mbuf] = frame.length;
  pool.olFlags[mbuf] = olFlags;
  return mbuf;
}

/** The reply to a frame, or null if it is dropped. */
function ask(frame: readonly number[], olFlags = 0): number[] | null {
  const mbuf = put(frame, olFlags);
  const answered = answer(pool, mbuf, MAC);
  const start = mbuf * pool.stride + pool.dataOff[mbuf];
  const bytes = [...pool.bytes.subarray(start, start + frame.length)];
  pool.free(pkts, 0, 1);
  // Dropped frames are not modified.
  if (!answered) expect(bytes).toEqual([...frame]);
  return answered ? bytes : null;
}

describe('icmpecho', () => {
  it.each([[[]], [TAG]])('answers an ARP request for any address with its own, tag %j', (tag) => {
    const body = [0, 1, 8, 0, 6, 4, 0, 2, ...MAC, ...OURS, ...ASKER, ...HIS];
    expect(ask(arp(1, tag))).toEqual([...ASKER, ...MAC, ...tag, 8, 6, ...body]);
  });

  it('drops ARP replies, and ARP for addresses other than IPv4 over Ethernet', () => {
    expect(ask(arp(2))).toBeNull();
    for (const at of [14, 15, 16, 17, 18, 19]) expect(ask(arp().with(at, 9))).toBeNull();
  });

  it.each([
    ['plain', {}],
    ['tagged', { tag: TAG }],
    ['with IP options', { options: [7, 7, 4, 1, 2, 3, 4, 0] }],
    ['of odd length', { payload: [1, 2, 3] }],
    ['empty', { payload: [] }],
    ['whose checksum is 0xffff after the change', { payload: [0xe5, 0xc4] }],
  ] as [string, Echo][])('answers an echo request, %s, with right checksums', (_, given) => {
    const frame = echo(given);
    const reply = ask(frame) as number[];
    const l3 = 14 + (given.tag?.length ?? 0);
    const l4 = l3 + 20 + (given.options?.length ?? 0);
    expect(reply.slice(0, 12)).toEqual([...ASKER, ...MAC]);
    expect(reply.slice(12, l3)).toEqual(frame.slice(12, l3));
    expect(reply.slice(l3 + 12, l3 + 20)).toEqual([...OURS, ...HIS]);
    expect(reply[l4]).toBe(0);
    expect(reply.slice(l4 + 4)).toEqual(frame.slice(l4 + 4));
    expect([sum(reply.slice(l3, l4)), sum(reply.slice(l4))]).toEqual([0xffff, 0xffff]);
  });

  it.each([
    [[224, 0, 0, 1], HIS, [10, 0, 0, 1]],
    [
      [239, 1, 2, 3],
      [10, 0, 0, 5],
      [10, 0, 0, 6],
    ],
    [
      [255, 255, 255, 255],
      [10, 0, 0, 7],
      [10, 0, 0, 5],
    ],
  ])('answers a request to the group %j of %j from %j, from its own MAC address', (group, source, from) => {
    const reply = ask(echo({ to: GROUP, destination: group, source })) as number[];
    expect(reply.slice(0, 12)).toEqual([...ASKER, ...MAC]);
    expect(reply.slice(26, 34)).toEqual([...from, ...source]);
    expect([sum(reply.slice(14, 34)), sum(reply.slice(34))]).toEqual([0xffff, 0xffff]);
  });

  it('ignores padding after the packet', () => {
    const frame = echo({ payload: [] });
    const padded = [...frame, ...new Array(60 - frame.length).fill(0)];
    expect(ask(padded)).toEqual([...(ask(frame) as number[]), ...padded.slice(frame.length)]);
  });

  it('leaves a checksum that a later stage fills in', () => {
    const reply = ask(echo().with(36, 0).with(37, 0), MBUF_F_NEEDS_CSUM) as number[];
    expect(reply.slice(34, 38)).toEqual([0, 0, 0, 0]);
  });

  it.each([
    ['a fragment that more follow', echo({ fragment: 0x2000 })],
    ['a later fragment that looks like a request', echo({ fragment: 0x0010 })],
    ['another protocol', echo().with(23, 17)],
    ['an echo reply', echo().with(34, 0)],
    ['another code', echo().with(35, 1)],
    ['IPv6', echo().with(12, 0x86).with(13, 0xdd)],
    ['version 6 where version 4 is announced', echo().with(14, 0x65)],
    ['a header of 16 bytes', echo().with(14, 0x44)],
    ['a header of 60 bytes in a packet of 48', echo({ payload: PAYLOAD.slice(0, 20) }).with(14, 0x4f)],
    ['a total length beyond the frame', echo().with(16, 1)],
    ['a total length without the ICMP header', echo().with(17, 27)],
    ['a tag in a tag', echo({ tag: [...TAG, ...TAG] })],
  ])('drops %s', (_, frame) => {
    expect(ask(frame)).toBeNull();
  });

  it('drops ICMP marked for segmentation', () => {
    expect(ask(echo(), MBUF_F_TSO4 | MBUF_F_NEEDS_CSUM)).toBeNull();
  });

  it.each([
    ['an echo request', echo()],
    ['a tagged one', echo({ tag: TAG })],
    ['an ARP request', arp()],
    ['a tagged one of those', arp(1, TAG)],
  ])('drops %s that was cut off anywhere in its headers', (_, frame) => {
    const whole = frame.length - (frame.includes(0xab) ? PAYLOAD.length : 0);
    for (let length = 0; length < whole; length++) expect(ask(frame.slice(0, length))).toBeNull();
  });

  it('reads headers only from the first segment', () => {
    const mbuf = put(echo());
    pool.dataLen[mbuf] = 40;
    expect(answer(pool, mbuf, MAC)).toBe(false);
    pool.dataLen[mbuf] = 42;
    expect(answer(pool, mbuf, MAC)).toBe(true);
    pool.free(pkts, 0, 1);
  });

  property.prop([fc.uint8Array({ minLength: 0, maxLength: 90 }), fc.nat(60), fc.boolean()])(
    'never touches a byte outside the frame, whatever it holds',
    (noise, at, ip) => {
      const frame = ip ? echo({ options: [0, 0, 0, 0] }) : arp();
      const whole = [...frame.slice(0, at), ...noise];
      const mbuf = put(whole);
      const start = mbuf * pool.stride;
      const from = start + pool.dataOff[mbuf];
      const before = pool.bytes.slice(start, start + pool.stride);
      answer(pool, mbuf, MAC);
      const after = pool.bytes.slice(start, start + pool.stride);
      const off = from - start;
      expect(after.subarray(0, off)).toEqual(before.subarray(0, off));
      expect(after.subarray(off + whole.length)).toEqual(before.subarray(off + whole.length));
      pool.free(pkts, 0, 1);
    },
  );
});

describe('a burst of icmpecho', () => {
  const sent: number[][] = [];
  const frames = [arp(2), echo(), echo().with(23, 6), arp(), echo({ tag: TAG })];
  const stream = {
    plan: { txMac: '02:76:70:63:69:00' },
    run: { burst: 8, retries: 0 },
    pool,
    pkts,
    counters: new Float64Array(STREAM_STRIDE),
    state: undefined,
    rx: {
      burst(into: MbufVector) {
        pool.alloc(into, frames.length);
        frames.forEach((frame, i) => {
          const mbuf = into.ids[i];
          pool.bytes.set(frame, mbuf * pool.stride + pool.dataOff[mbuf]);
          pool.dataLen[mbuf] = frame.length;
          pool.pktLen[mbuf] = frame.length;
        });
        return frames.length;
      },
    },
    tx: {
      burst(from: MbufVector, first: number, to: number) {
        for (let i = first; i < to; i++) {
          const start = from.ids[i] * pool.stride + pool.dataOff[from.ids[i]];
          sent.push([...pool.bytes.subarray(start, start + pool.dataLen[from.ids[i]])]);
        }
        pool.free(from, first, to);
        return to - first;
      },
    },
  } as unknown as FwdStream;

  it('sends the replies in order and frees the rest', () => {
    icmpecho.streamInit?.(stream, undefined as never);
    expect(icmpecho.packetFwd(stream)).toBe(5);
    expect(sent).toEqual([ask(frames[1]), ask(frames[3]), ask(frames[4])]);
    expect(pool.available).toBe(16);
    const { counters } = stream;
    expect([counters[STREAM_RX], counters[STREAM_TX], counters[STREAM_DROPPED]]).toEqual([5, 3, 0]);
  });
});
