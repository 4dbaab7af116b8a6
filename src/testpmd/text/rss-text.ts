// SPDX-License-Identifier: BSD-3-Clause
// The kinds of packets that are hashed, by testpmd's names.
import { RSS_TYPES } from '../../offload/rss.ts';

/** Bits of rte_ethdev.h that software does not hash, but that have names. */
const OTHERS: Readonly<Record<string, readonly number[]>> = {
  'l2-payload': [14],
  'ipv6-ex': [15],
  'ipv6-tcp-ex': [16],
  'ipv6-udp-ex': [17],
  port: [18],
  vxlan: [19],
  geneve: [20],
  nvgre: [21],
  gtpu: [23],
  eth: [24],
  's-vlan': [25],
  'c-vlan': [26],
  esp: [27],
  ah: [28],
  l2tpv3: [29],
  pfcp: [30],
  pppoe: [31],
  ecpri: [32],
  mpls: [33],
  'ipv4-chksum': [34],
  'l4-chksum': [35],
  l2tpv2: [36],
  'l3-pre96': [52],
  'l3-pre64': [53],
  'l3-pre56': [54],
  'l3-pre48': [55],
  'l3-pre40': [56],
  'l3-pre32': [57],
  'l2-dst-only': [58],
  'l2-src-only': [59],
  'l4-dst-only': [60],
  'l4-src-only': [61],
  'l3-dst-only': [62],
  'l3-src-only': [63],
};
const GROUPS: Readonly<Record<string, readonly number[]>> = {
  ip: [2, 3, 7, 8, 9, 13, 15],
  udp: [5, 11, 17],
  tcp: [4, 10, 16],
  sctp: [6, 12],
  tunnel: [19, 20, 21],
  vlan: [25, 26],
  all: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 36],
};
const LINE = 64;

/** All that software hashes. */
export const SUPPORTED_RSS: number = Object.values(RSS_TYPES).reduce((all, bit) => all | bit, 0);
/** RTE_ETH_RSS_IP and RTE_ETH_RSS_UDP, of what software hashes. */
export const RSS_IP: number = SUPPORTED_RSS & 0xa38c;
export const RSS_UDP: number = SUPPORTED_RSS & 0x20820;

/** Bits of a type or a group; null: there is no such name. */
export function rssBits(name: string): bigint | null {
  if (Object.hasOwn(RSS_TYPES, name)) return BigInt(RSS_TYPES[name as keyof typeof RSS_TYPES]);
  const bits = GROUPS[name] ?? OTHERS[name];
  return bits ? bits.reduce((all, bit) => all | (1n << BigInt(bit)), 0n) : null;
}

/** What is hashed, groups of kinds included. */
export function rssTypesText(types: number): string {
  const groups = Object.keys(GROUPS).filter((name) => name !== 'all');
  const names = [...groups, ...Object.keys(RSS_TYPES)].filter((name) => {
    const bits = Number(rssBits(name));
    return (types & bits) === bits;
  });
  return inLines(names);
}

/** What can be hashed, kind by kind. */
export const supportedRssText = (): string => inLines(Object.keys(RSS_TYPES));

/** Of up to 64 characters. */
function inLines(names: readonly string[]): string {
  const lines = [''];
  for (const name of names) {
    if ((lines.at(-1) ?? '').length + name.length + 2 > LINE) lines.push('');
    lines[lines.length - 1] += `  ${name}`;
  }
  return lines.join('\n');
}
