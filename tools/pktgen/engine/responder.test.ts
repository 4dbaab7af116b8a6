// SPDX-License-Identifier: BSD-3-Clause
// A host at the far end: which frames it answers, and that it survives all others.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, Mempool } from '../../../src/ethdev/mempool.ts';
import { answeringMac, parseHost } from '../host.ts';
import { Responder } from './responder.ts';

const MAC = [2, 0, 0, 0, 0, 9];
const ASKER = [2, 0, 0, 0, 0, 1];
const pool = new Mempool({ count: 4, dataRoom: 2048, hugepages: false });
const pkts = pool.vector(1);
afterAll(() => pool.close());

const host = new Responder({ mac: MAC, ...parseHost('10.0.0.2,fd00::2') });
const bytesOf = (hex: string) => [...Buffer.from(hex.replaceAll(' ', ''), 'hex')];
const head = (type: string) => [...MAC, ...ASKER, ...bytesOf(type)];
const SIX = ['1', '2'].map((last) => `fd00${'0'.repeat(27)}${last}`);
const FRAMES = {
  arp: [...head('0806'), ...bytesOf('0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002')],
  echo: [...head('0800'), ...bytesOf('4500 001c 0000 0000 4001 66df 0a000001 0a000002 0800 f7ff 0000 0000')],
  solicitation: [
    ...head('86dd'),
    ...bytesOf(`60000000 0020 3a ff ${SIX[0]} ${SIX[1]} 8700 7e9b 00000000 ${SIX[1]} 0101 020000000001`),
  ],
  echo6: [...head('86dd'), ...bytesOf(`60000000 0008 3a 40 ${SIX[0]} ${SIX[1]} 8000 85b8 00000000`)],
};
const ALL = Object.entries(FRAMES);

/** The reply; null if there is none, and then the frame is as it was. */
function ask(frame: readonly number[], responder = host, olFlags = 0): number[] | null {
  pool.alloc(pkts, 1);
  const mbuf = pkts.ids[0] as number;
  const from = mbuf * pool.stride + (pool.dataOff[mbuf] as number);
  pool.bytes.set(frame, from);
  pool.bytes.fill(0xee, from + frame.length, from + frame.length + 64);
  pool.dataLen[mbuf] = pool.pktLen[mbuf] = frame.length;
  pool.olFlags[mbuf] = olFlags;
  const answered = responder.answer(pool, mbuf);
  const after = [...pool.bytes.subarray(from, from + frame.length)];
  const beyond = pool.bytes.subarray(from + frame.length, from + frame.length + 64);
  expect(beyond.every((byte) => byte === 0xee)).toBe(true);
  pool.free(pkts, 0, 1);
  if (!answered) expect(after).toEqual([...frame]);
  return answered ? after : null;
}

describe('a far end with addresses', () => {
  it.each(ALL)('answers %s, from its own MAC address', (_, frame) => {
    expect(ask(frame)?.slice(0, 12)).toEqual([...ASKER, ...MAC]);
  });

  it.each(ALL)('does not answer %s for others', (_, frame) => {
    const other = new Responder({ mac: MAC, ...parseHost('10.0.0.3,fd00::3') });
    const none = new Responder({ mac: MAC, ipv4: [], ipv6: [] });
    expect([ask(frame, other), ask(frame, none)]).toEqual([null, null]);
  });

  it.each(ALL)('does not answer %s that is cut anywhere', (_, frame) => {
    for (let length = 0; length < frame.length; length++) expect(ask(frame.slice(0, length))).toBeNull();
  });

  const at = (frame: readonly number[], offset: number, ...bytes: number[]) =>
    bytes.reduce((changed, byte, i) => changed.with(offset + i, byte), [...frame]);
  const { arp, echo, echo6, solicitation } = FRAMES;

  it('answers ARP and solicitations that were sent to a group', () => {
    expect(ask(at(arp, 0, ...Array(6).fill(0xff)))?.slice(0, 6)).toEqual(ASKER);
    expect(ask(at(solicitation, 0, 0x33, 0x33, 0xff))?.slice(0, 6)).toEqual(ASKER);
  });

  it('answers a host that tests whether its IPv4 address is free (RFC 5227)', () => {
    expect(ask(at(arp, 28, 0, 0, 0, 0))?.slice(38, 42)).toEqual([0, 0, 0, 0]);
  });

  // With checksums left to a later stage, so that they are not what refuses these.
  const refused: readonly (readonly [string, readonly number[]])[] = [
    ['a frame for another host', at(echo, 5, 8)],
    ['ARP for another host', at(arp, 5, 8)],
    ['a ping that was sent to all', at(echo, 0, ...Array(6).fill(0xff))],
    ['an IPv6 ping that was sent to a group', at(echo6, 0, 0x33, 0x33)],
    ['a frame from a group', at(echo, 6, 3)],
    ['ARP from a group', at(arp, 22, 3)],
    ['ARP from a group of IPv4', at(arp, 28, 224)],
    ['ARP from its own address', at(arp, 28, 10, 0, 0, 2)],
    ...[
      [224, 0, 0, 1],
      [255, 255, 255, 255],
      [0, 0, 0, 0],
      [127, 0, 0, 1],
      [10, 0, 0, 2],
    ].map((source) => [`a ping from ${source.join('.')}`, at(echo, 26, ...source)] as const),
    ...[[0xff, 2], Array(16).fill(0), [...Array(15).fill(0), 1], bytesOf(SIX[1] as string)].flatMap(
      (source) => [
        [`an IPv6 ping from ${source}`, at(echo6, 22, ...source)] as const,
        [`a solicitation from ${source}`, at(solicitation, 22, ...source)] as const,
      ],
    ),
    ['a solicitation with an option of no length', at(solicitation, 79, 0)],
    ['a solicitation whose option is cut', at(solicitation, 79, 2)],
  ];
  it.each(refused)('does not answer %s', (_, frame) => {
    expect(ask(frame, host, MBUF_F_NEEDS_CSUM)).toBeNull();
  });

  it.each([
    ['the IPv4 header', at(echo, 24, 0)],
    ['an ICMP message', at(echo, 40, 1)],
    ['an ICMPv6 message', at(echo6, 60, 1)],
    ['a solicitation', at(solicitation, 82, 1)],
  ])('does not answer when the checksum of %s is wrong', (_, frame) => {
    expect(ask(frame)).toBeNull();
  });

  it('leaves what a later stage sums up, and what it would cut', () => {
    const reply = ask(FRAMES.echo, host, MBUF_F_NEEDS_CSUM);
    expect(reply?.slice(34, 38)).toEqual([0, 0, 0xf7, 0xff]);
    expect(ask(FRAMES.echo, host, MBUF_F_TSO4 | MBUF_F_NEEDS_CSUM)).toBeNull();
  });

  property.prop([
    fc.constantFrom(...ALL.map(([, frame]) => frame)),
    fc.array(fc.tuple(fc.nat(95), fc.nat(255)), { maxLength: 6 }),
    fc.nat(120),
  ])('answers or leaves a frame, whatever bytes of it are wrong', (frame, wrong, length) => {
    const bytes = Array.from({ length }, (_, i) => frame[i] ?? 0);
    for (const [at, value] of wrong) if (at < length) bytes[at] = value;
    ask(bytes);
  });
});

describe('--ip', () => {
  it.each(['10.0.0.2', 'fd00::2', 'fd00::2,10.0.0.2'])('takes %s', (text) => {
    const { ipv4, ipv6 } = parseHost(text);
    expect([ipv4.length, ipv6.length]).toEqual([text.includes('.') ? 4 : 0, text.includes(':') ? 16 : 0]);
  });

  it.each([
    ['', "'' is no address"],
    ['10.0.0', "'10.0.0' is no address"],
    ['fe80::2%eth0', 'is no address'],
    ['10.0.0.2,10.0.0.3', 'one IPv4 and one IPv6'],
    ['224.0.0.1', 'not the address of one host'],
    ['255.255.255.255', 'not the address of one host'],
    ['ff02::1', 'not the address of one host'],
    ['::', 'not the address of one host'],
  ])('refuses %j', (text, says) => {
    expect(() => parseHost(text)).toThrow(says);
  });

  it('answers with another address than that of the kernel at the near end of a tap', () => {
    const mac = '02:00:00:00:00:08';
    const of = (driver: string) => answeringMac({ driver, mac } as Parameters<typeof answeringMac>[0]);
    expect([of('net_tap'), of('net_vhost_pci')]).toEqual([MAC, [2, 0, 0, 0, 0, 8]]);
  });
});
