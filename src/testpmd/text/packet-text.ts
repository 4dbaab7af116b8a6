// SPDX-License-Identifier: BSD-3-Clause
// testpmd's dump of packets, for `set verbose`.
import {
  MBUF_F_CSUM_VALID,
  MBUF_F_NEEDS_CSUM,
  MBUF_F_TSO4,
  MBUF_F_TSO6,
  MBUF_F_USO,
  MBUF_NO_NEXT,
  type Mempool,
} from '../../ethdev/mempool.ts';
import { hashesOf, marksOf } from '../../offload/marks.ts';
import { readUint16BE } from '../../packet/bytes.ts';
import { ETHER, IPV4, IPV6, ipv4HeaderLength, isFragment, networkHeader } from '../../packet/headers.ts';
import { macText } from '../../packet/mac.ts';

const IPV6_NEXT_HEADER = 6;
/** Protocol numbers, with DPDK's names and the lengths of their headers; that of TCP is in the header. */
const TRANSPORTS: Readonly<Record<number, readonly [name: string, length: number]>> = {
  1: ['ICMP', 0],
  6: ['TCP', 20],
  17: ['UDP', 8],
  132: ['SCTP', 12],
};

/** The lines of one packet, which starts in mbuf `id`. */
export function packetText(pool: Mempool, id: number, role: 'rx' | 'tx', queue: number): string {
  const start = id * pool.stride + pool.dataOff[id];
  const end = start + pool.dataLen[id];
  const at = (offset: number) => macText(pool.bytes.subarray(start + offset, start + offset + 6));
  const { names, lengths } = layers(pool.bytes, start, end);
  const type = readUint16BE(pool.bytes, start + ETHER.TYPE)
    .toString(16)
    .padStart(4, '0');
  const mark = role === 'rx' ? (marksOf(pool)?.[id] ?? 0) : 0;
  const hash = role === 'rx' ? (hashesOf(pool)?.[id] ?? 0) : 0;
  const marked = [
    ...(hash > 0 ? ['RTE_MBUF_F_RX_RSS_HASH'] : []),
    ...(mark > 0 ? ['RTE_MBUF_F_RX_FDIR', 'RTE_MBUF_F_RX_FDIR_ID'] : []),
  ];
  return [
    `  src=${at(ETHER.SOURCE)} - dst=${at(ETHER.DESTINATION)} - pool=mb_pool_0 - type=0x${type}`,
    `length=${pool.pktLen[id]}`,
    `nb_segs=${segments(pool, id)}`,
    ...(hash > 0 ? [`RSS hash=0x${hash.toString(16)}`, `RSS queue=0x${queue.toString(16)}`] : []),
    ...(mark > 0 ? [`FDIR matched ID=0x${(mark - 1).toString(16)}`] : []),
    `sw ptype: ${names.join(' ')} `,
    ...lengths,
    `${role === 'rx' ? 'Receive' : 'Send'} queue=0x${queue.toString(16)}\n`,
  ]
    .join(' - ')
    .concat(`  ol_flags: ${[...marked, ...flags(pool.olFlags[id], role)].join(' ')} `);
}

function segments(pool: Mempool, first: number): number {
  let count = 1;
  for (let id = pool.next[first]; id !== MBUF_NO_NEXT && count < pool.count; id = pool.next[id]) count++;
  return count;
}

/** DPDK's names of the headers, and their lengths. */
function layers(bytes: Uint8Array, start: number, end: number): { names: string[]; lengths: string[] } {
  const l3 = networkHeader(bytes, start, end);
  if (l3 < 0) return { names: ['L2_ETHER'], lengths: ['l2_len=14'] };
  const tagged = l3 - start > ETHER.HEADER;
  const names = [tagged ? 'L2_ETHER_VLAN' : 'L2_ETHER'];
  const lengths = [`l2_len=${l3 - start}`];
  const type = readUint16BE(bytes, l3 - 2);
  const ipv4 = type === ETHER.TYPE_IPV4 ? ipv4HeaderLength(bytes, l3, end) : 0;
  const ipv6 = type === ETHER.TYPE_IPV6 && l3 + IPV6.HEADER <= end ? IPV6.HEADER : 0;
  const l3Length = ipv4 || ipv6;
  if (l3Length === 0) return { names, lengths };
  names.push(ipv4 > IPV4.HEADER ? 'L3_IPV4_EXT' : ipv4 > 0 ? 'L3_IPV4' : 'L3_IPV6');
  lengths.push(`l3_len=${l3Length}`);
  if (ipv4 > 0 && isFragment(bytes, l3)) return { names: [...names, 'L4_FRAG'], lengths };
  const protocol = bytes[l3 + (ipv4 > 0 ? IPV4.PROTOCOL : IPV6_NEXT_HEADER)] ?? 0;
  const transport = TRANSPORTS[protocol];
  const l4 = l3 + l3Length;
  if (!transport || l4 + transport[1] > end) return { names, lengths };
  names.push(`L4_${transport[0]}`);
  const length = protocol === IPV4.PROTOCOL_TCP ? ((bytes[l4 + 12] ?? 0) >>> 4) * 4 : transport[1];
  if (length > 0) lengths.push(`l4_len=${length}`);
  return { names, lengths };
}

function flags(olFlags: number, role: 'rx' | 'tx'): string[] {
  const has = (flag: number) => (olFlags & flag) !== 0;
  if (role === 'tx')
    return [
      ...(has(MBUF_F_NEEDS_CSUM) ? ['RTE_MBUF_F_TX_TCP_CKSUM'] : ['RTE_MBUF_F_TX_L4_NO_CKSUM']),
      ...(has(MBUF_F_TSO4 | MBUF_F_TSO6) ? ['RTE_MBUF_F_TX_TCP_SEG'] : []),
      ...(has(MBUF_F_USO) ? ['RTE_MBUF_F_TX_UDP_SEG'] : []),
    ];
  const l4 = has(MBUF_F_NEEDS_CSUM) ? 'NONE' : has(MBUF_F_CSUM_VALID) ? 'GOOD' : 'UNKNOWN';
  return [
    `RTE_MBUF_F_RX_L4_CKSUM_${l4}`,
    'RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN',
    'RTE_MBUF_F_RX_OUTER_L4_CKSUM_UNKNOWN',
    ...(has(MBUF_F_TSO4 | MBUF_F_TSO6) ? ['RTE_MBUF_F_RX_LRO'] : []),
  ];
}
