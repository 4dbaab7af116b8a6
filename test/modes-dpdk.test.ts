// SPDX-License-Identifier: BSD-3-Clause
// Modes that change packets, against dpdk-testpmd: the same frames through both, byte for byte. Where DPDK
// 22.11 sends wrong packets, the test says so, and what ours are is checked for itself.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readUint16BE } from '../src/packet/bytes.ts';
import { internetChecksum } from '../src/packet/checksum.ts';
import { framesThrough } from './support/frames-through.ts';
import {
  bytes,
  ether,
  geneve,
  gre,
  gtp,
  type Ip4,
  ipv4,
  ipv6,
  tcp,
  udp,
  vxlan,
  vxlanGpe,
} from './support/packets.ts';
import { programMissing } from './support/program-missing.ts';

const [V4, V6, TEB] = [0x0800, 0x86dd, 0x6558];
const [IPIP, TCP, UDP, GRE] = [4, 6, 17, 47];
const DF = 0x4000;

const udp4 = (n = 30, other: object = {}) => ipv4({ protocol: UDP }, udp(bytes(n), other));
const udp6 = (n = 33) => ipv6(UDP, udp(bytes(n)));
const tcp4 = (n = 30, other: Partial<Ip4> = {}) =>
  ipv4({ protocol: TCP, id: 0xfffe, ...other }, tcp(bytes(n), { flags: 0x19, options: [1, 1, 1, 0] }));
const tcp6 = (n = 40) => ipv6(TCP, tcp(bytes(n)));
const over4 = (payload: Uint8Array, protocol = UDP) => ether(V4, ipv4({ protocol, id: 77 }, payload));
const over6 = (payload: Uint8Array, protocol = UDP) => ether(V6, ipv6(protocol, payload));

const PLAIN: Readonly<Record<string, Uint8Array>> = {
  'UDP over IPv4': ether(V4, udp4()),
  'of odd length': ether(V4, udp4(31)),
  'without checksum': ether(V4, udp4(30, { checksum: 0 })),
  'TCP over IPv4': ether(V4, tcp4()),
  'with options': ether(V4, tcp4(9, { options: [1, 1, 1, 0] })),
  ICMP: over4(bytes(20), 1),
  'UDP over IPv6': ether(V6, udp6()),
  'TCP over IPv6': ether(V6, tcp6()),
  'one tag': ether(V4, udp4(), [[0x8100, 5]]),
  QinQ: ether(V4, tcp4(), [
    [0x88a8, 6],
    [0x8100, 5],
  ]),
  'three tags': ether(V6, udp6(), [
    [0x8100, 6],
    [0x8100, 5],
    [0x8100, 4],
  ]),
  'in two mbufs': ether(V4, udp4(3001)),
  'in three mbufs': ether(V4, tcp4(5000)),
  'IPv6 in two mbufs': ether(V6, tcp6(4001)),
  ARP: ether(0x0806, bytes(28)),
  padded: Buffer.concat([ether(V4, udp4(3)), Buffer.alloc(17)]),
};

const TUNNELS: Readonly<Record<string, Uint8Array>> = {
  VXLAN: over4(vxlan(ether(V4, tcp4()))),
  'VXLAN with a checksum and a tag inside': over4(vxlan(ether(V4, udp4(), [[0x8100, 9]]), 0x1234)),
  'VXLAN over IPv6': over6(vxlan(ether(V6, udp6()), 77)),
  'VXLAN in two mbufs': over4(vxlan(ether(V4, tcp4(4000)), 99)),
  'VXLAN-GPE of IPv4': over4(vxlanGpe(1, tcp4())),
  'VXLAN-GPE of IPv6': over4(vxlanGpe(2, udp6())),
  'VXLAN-GPE of Ethernet': over4(vxlanGpe(3, ether(V4, udp4()))),
  'Geneve with options': over4(geneve(TEB, ether(V4, udp4()), [1, 2, 3, 4])),
  'Geneve of IPv4': over4(geneve(V4, tcp4())),
  GTP: over4(gtp(tcp4())),
  'GTP with a sequence number': over4(gtp(udp4(), true)),
  GRE: over4(gre(V4, tcp4()), GRE),
  'GRE with key and sequence number': over4(gre(V6, udp6(), 0x30), GRE),
  'GRE of Ethernet': over4(gre(TEB, ether(V4, udp4())), GRE),
  'GRE over IPv6': over6(gre(V4, tcp4()), GRE),
  'IP in IP': over4(tcp4(), IPIP),
  'IPv6 in IP': over4(udp6(), IPIP),
};

/** What both make of the same frames, as short texts, without the bytes [from, to) of `masked`. */
async function both(
  frames: readonly Uint8Array[],
  lines: readonly string[],
  theirLines: readonly string[] = [],
  masked: readonly (readonly [from: number, to: number])[] = [],
) {
  const theirs = (await framesThrough({ frames, lines: [...lines, ...theirLines], dpdk: true })).sent;
  const ours = (await framesThrough({ frames, lines })).sent;
  const shapes = (sent: readonly Uint8Array[]) => sent.map((frame) => shape(Uint8Array.from(frame), masked));
  return { theirs: shapes(theirs), ours: shapes(ours), frames: ours };
}

/** The length, the first bytes in hexadecimal, and a hash of all. */
function shape(frame: Uint8Array, masked: readonly (readonly [number, number])[]): string {
  for (const [from, to] of masked) frame.fill(0, from, to);
  const hash = createHash('sha1').update(frame).digest('hex').slice(0, 8);
  return `${frame.length} ${Buffer.from(frame.subarray(0, 120)).toString('hex')} ${hash}`;
}

const CSUM = ['set fwd csum', 'csum mac-swap off 0'];
const all = { ...PLAIN, ...TUNNELS };
const named = (names: Readonly<Record<string, Uint8Array>>, sent: readonly string[]) =>
  Object.fromEntries(Object.keys(names).map((name, i) => [name, sent[i]]));

/** 0 if the transport checksum is right: of a frame with these headers, up to its end. */
function residue(frame: Uint8Array, ip: number, l4: number, protocol: number): number {
  const length = frame.length - l4;
  const pseudo = Buffer.of(0, protocol, length >> 8, length & 0xff);
  const sum = Buffer.concat([frame.subarray(ip + 12, ip + 20), pseudo, frame.subarray(l4)]);
  return internetChecksum(sum, 0, sum.length);
}

describe.skipIf(programMissing('dpdk-testpmd', 'dpdk-dev', 'comparison of packets with dpdk-testpmd'))(
  'as dpdk-testpmd sends them',
  () => {
    it.each(['mac', 'macswap', '5tswap'])('are the frames of mode %s', async (mode) => {
      const { theirs, ours } = await both(Object.values(PLAIN), [`set fwd ${mode}`]);
      expect(named(PLAIN, ours)).toEqual(named(PLAIN, theirs));
    });

    it.each([
      ['of mode csum', CSUM],
      ['of mode csum, which sets addresses', ['set fwd csum']],
      ['of mode csum, inside tunnels', [...CSUM, 'csum parse-tunnel on 0']],
    ])('are the checksums %s', async (_, lines) => {
      const { theirs, ours } = await both(Object.values(all), lines);
      expect(named(all, ours)).toEqual(named(all, theirs));
    });

    const GSO = [...CSUM, 'set port 0 gso on', 'set gso segsz 800'];
    it('are the fragments of datagrams', async () => {
      const long = [1999, 600, 5001].map((n) =>
        ether(V4, ipv4({ protocol: UDP, id: 500, fragment: DF }, udp(bytes(n)))),
      );
      const { theirs, ours } = await both([...long, ether(V6, udp6(1900)), over4(bytes(2000), 1)], GSO);
      expect(ours).toEqual(theirs);
      expect(ours.length).toBe(3 + 1 + 7 + 2);
    });

    it('are the segments of TCP, whose checksums DPDK leaves as they were before', async () => {
      const long = [2222, 6666].map((n) => ether(V4, tcp4(n)));
      const { theirs, ours, frames } = await both(long, GSO, [], [[50, 52]]);
      expect(ours).toEqual(theirs);
      expect(frames.map((frame) => residue(frame, 14, 34, TCP))).toEqual(frames.map(() => 0));
      expect(ours.length).toBe(3 + 9);
    });

    // DPDK 22.11 fills in the lengths of headers only if a size for tunnels is set, too. It leaves checksums
    // as they were before, and writes another over two bytes of an outer header, here the `spoilt` ones.
    const TUNNEL_SIZE = ['port stop 0', 'tunnel_tso set 800 0', 'port start 0'];
    it.each([
      ['VXLAN', over4(vxlan(ether(V4, tcp4(3000)))), 64, TCP, 5, 40],
      ['GRE', over4(gre(V4, tcp4(1500)), GRE), 38, TCP, 3, 14],
      ['GRE of Ethernet', over4(gre(TEB, ether(V4, tcp4(1500))), GRE), 52, TCP, 3, 28],
      ['VXLAN, as fragments', over4(vxlan(ether(V4, udp4(3000)))), 64, UDP, 5, 40],
    ])('are the pieces of what is inside %s', async (_, frame, ip, protocol, count, spoilt) => {
      const at = [24, ip + 10, spoilt, ...(protocol === TCP ? [ip + 36] : [])];
      const masked = at.map((from) => [from, from + 2] as const);
      const lines = [...GSO, 'csum parse-tunnel on 0'];
      const { theirs, ours, frames } = await both([frame], lines, TUNNEL_SIZE, masked);
      expect(ours).toEqual(theirs);
      expect(ours.length).toBe(count);
      for (const sent of frames) {
        expect([14, ip].map((header) => internetChecksum(sent, header, 20))).toEqual([0, 0]);
        expect(readUint16BE(sent, 16)).toBe(sent.length - 14);
        expect(sent.subarray(26, 34).join()).toBe(frame.subarray(26, 34).join());
        if (protocol === TCP) expect(residue(sent, ip, ip + 20, TCP)).toBe(0);
      }
    });
  },
);
