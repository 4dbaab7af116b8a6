// SPDX-License-Identifier: BSD-3-Clause
// Microsoft's vectors ("Verifying the RSS Hash Calculation"), as whole packets.
import { describe, expect, it } from 'vitest';
import { DEFAULT_RSS_KEY, evenReta, RSS_TYPES, RssHash } from './rss.ts';

/** Destination, source, their ports; hash of the addresses, and with TCP's ports. */
const IPV4_VECTORS = [
  ['161.142.100.80', 1766, '66.9.149.187', 2794, 0x323e8fc2, 0x51ccc178],
  ['65.69.140.83', 4739, '199.92.111.2', 14230, 0xd718262a, 0xc626b0ea],
  ['12.22.207.184', 38024, '24.19.198.95', 12898, 0xd2d0a5de, 0x5c2b394a],
  ['209.142.163.6', 2217, '38.27.205.30', 48228, 0x82989176, 0xafc7327f],
  ['202.188.127.2', 1303, '153.39.163.191', 44251, 0x5d1809c5, 0x10e828a2],
] as const;
const IPV6_VECTORS = [
  ['3ffe:2501:200:3:0:0:0:1', 1766, '3ffe:2501:200:1fff:0:0:0:7', 2794, 0x2cc18cd5, 0x40207d3d],
  ['ff02:0:0:0:0:0:0:1', 4739, '3ffe:501:8:0:260:97ff:fe40:efab', 14230, 0x0f0c461c, 0xdde51bbf],
  [
    'fe80:0:0:0:200:f8ff:fe21:67cf',
    38024,
    '3ffe:1900:4545:3:200:f8ff:fe21:67cf',
    44251,
    0x4b61e985,
    0x02d1feef,
  ],
] as const;

const be16 = (value: number) => [value >>> 8, value & 0xff];
const v4 = (text: string) => text.split('.').map(Number);
const v6 = (text: string) => text.split(':').flatMap((word) => be16(Number.parseInt(word, 16)));

function ipv4(
  src: string,
  dst: string,
  protocol: number,
  sport: number,
  dport: number,
  fragment = 0,
): Uint8Array {
  const header = [0x45, 0, 0, 24, 0, 0, ...be16(fragment), 64, protocol, 0, 0, ...v4(src), ...v4(dst)];
  return Uint8Array.from([...header, ...be16(sport), ...be16(dport)]);
}

function ipv6(src: string, dst: string, sport: number, dport: number): Uint8Array {
  return Uint8Array.from([
    0x60,
    0,
    0,
    0,
    0,
    4,
    6,
    64,
    ...v6(src),
    ...v6(dst),
    ...be16(sport),
    ...be16(dport),
  ]);
}

const hashOf = (types: number, type: number, packet: Uint8Array) =>
  new RssHash({ types, key: DEFAULT_RSS_KEY, reta: evenReta(4) }).hash(packet, type, 0, packet.length) >>> 0;

describe('the hash of received packets', () => {
  it.each(IPV4_VECTORS)("is Microsoft's: %s", (dst, dport, src, sport, addresses, ports) => {
    const packet = ipv4(src, dst, 6, sport, dport);
    expect(hashOf(RSS_TYPES.ipv4, 0x0800, packet)).toBe(addresses);
    expect(hashOf(RSS_TYPES.ipv4 | RSS_TYPES['ipv4-tcp'], 0x0800, packet)).toBe(ports);
  });

  it.each(IPV6_VECTORS)("is Microsoft's: %s", (dst, dport, src, sport, addresses, ports) => {
    const packet = ipv6(src, dst, sport, dport);
    expect(hashOf(RSS_TYPES.ipv6, 0x86dd, packet)).toBe(addresses);
    expect(hashOf(RSS_TYPES['ipv6-tcp'], 0x86dd, packet)).toBe(ports);
  });

  it('is 0 of what is not hashed, and of truncated headers', () => {
    const packet = ipv4('1.2.3.4', '5.6.7.8', 17, 1, 2);
    expect(hashOf(RSS_TYPES['ipv4-tcp'], 0x0800, packet)).toBe(0);
    expect(hashOf(RSS_TYPES.ipv6, 0x0800, packet)).toBe(0);
    expect(hashOf(RSS_TYPES.ipv4, 0x0806, packet)).toBe(0);
    expect(hashOf(RSS_TYPES.ipv4, 0x0800, packet.subarray(0, 19))).toBe(0);
  });

  it('leaves out the ports of fragments, so that a datagram stays on one queue', () => {
    const types = RSS_TYPES.ipv4 | RSS_TYPES['ipv4-udp'];
    const first = ipv4('1.2.3.4', '5.6.7.8', 17, 1, 2, 0x2000);
    const later = ipv4('1.2.3.4', '5.6.7.8', 17, 77, 99, 0x0010);
    expect(hashOf(types, 0x0800, first)).toBe(hashOf(types, 0x0800, later));
    expect(hashOf(types, 0x0800, first)).not.toBe(
      hashOf(types, 0x0800, ipv4('1.2.3.4', '5.6.7.8', 17, 1, 2)),
    );
  });
});
