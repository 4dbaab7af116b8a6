// SPDX-License-Identifier: BSD-3-Clause
// Which queue a received packet belongs to, by a hash over its addresses and ports: the packets of one flow
// stay on one queue. The fragments of a datagram are hashed without ports, as all but the first have none.
import { ETHER, IPV4, IPV6, ipv4HeaderLength, isFragment } from '../packet/headers.ts';
import type { RssPlan } from './plan.ts';
import { toeplitzPart, toeplitzTable } from './toeplitz.ts';

/** Bits of rte_ethdev.h. */
export const RSS_TYPES = {
  ipv4: 1 << 2,
  'ipv4-frag': 1 << 3,
  'ipv4-tcp': 1 << 4,
  'ipv4-udp': 1 << 5,
  'ipv4-sctp': 1 << 6,
  'ipv4-other': 1 << 7,
  ipv6: 1 << 8,
  'ipv6-frag': 1 << 9,
  'ipv6-tcp': 1 << 10,
  'ipv6-udp': 1 << 11,
  'ipv6-sctp': 1 << 12,
  'ipv6-other': 1 << 13,
} as const;

/** From a bit of IPv4 to the same of IPv6. */
const IPV6_SHIFT = 6;
const WITH_PORTS = RSS_TYPES['ipv4-tcp'] | RSS_TYPES['ipv4-udp'] | RSS_TYPES['ipv4-sctp'];
const PROTOCOL_FRAGMENT = 44;

/** Entries of the redirection table. */
export const RETA_SIZE = 128;

/** Microsoft's key, by which its vectors are computed and which most drivers have. */
export const DEFAULT_RSS_KEY = Uint8Array.from([
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca,
  0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b,
  0xbe, 0xac, 0x01, 0xfa,
]);

/** Spreads the packets of a port over its queues. */
export class RssHash {
  readonly #types: number;
  readonly #table: Int32Array;
  readonly #reta: Uint16Array;

  constructor({ types, key, reta }: RssPlan) {
    this.#types = types;
    this.#table = toeplitzTable(key);
    this.#reta = Uint16Array.from(reta);
  }

  /** Whether it chooses queues. */
  get spreads(): boolean {
    return this.#reta.length > 0;
  }

  /** HOT. The queue of the packets of a hash. */
  queue(hash: number): number {
    return this.#reta[hash & (this.#reta.length - 1)];
  }

  /**
   * HOT. The hash of a packet whose network header is at `l3`, of EtherType `type`; 0 if it is of no kind
   * that is hashed.
   */
  hash(bytes: Uint8Array, type: number, l3: number, end: number): number {
    if (type === ETHER.TYPE_IPV4) return this.#ipv4(bytes, l3, end);
    return type === ETHER.TYPE_IPV6 ? this.#ipv6(bytes, l3, end) : 0;
  }

  #ipv4(bytes: Uint8Array, ip: number, end: number): number {
    const length = ipv4HeaderLength(bytes, ip, end);
    if (length === 0) return 0;
    const l4 = ip + length;
    const kind = isFragment(bytes, ip)
      ? RSS_TYPES['ipv4-frag']
      : transportKind(bytes[ip + IPV4.PROTOCOL], l4 + 4 <= end);
    return this.#pair(bytes, ip + IPV4.SOURCE, 8, l4, kind, 0);
  }

  #ipv6(bytes: Uint8Array, ip: number, end: number): number {
    const l4 = ip + IPV6.HEADER;
    if (l4 > end || bytes[ip] >>> 4 !== 6) return 0;
    const next = bytes[ip + IPV6.NEXT_HEADER];
    const kind = next === PROTOCOL_FRAGMENT ? RSS_TYPES['ipv4-frag'] : transportKind(next, l4 + 4 <= end);
    return this.#pair(bytes, ip + IPV6.SOURCE, 32, l4, kind, IPV6_SHIFT);
  }

  /** With the ports where the kind, one of IPv4, has them and is hashed; else by addresses, if IP is. */
  #pair(
    bytes: Uint8Array,
    addresses: number,
    length: number,
    l4: number,
    kind: number,
    shift: number,
  ): number {
    const hashed = (this.#types & (kind << shift)) !== 0;
    if (!hashed && (this.#types & (RSS_TYPES.ipv4 << shift)) === 0) return 0;
    const hash = toeplitzPart(this.#table, bytes, addresses, length, 0);
    if (!hashed || (kind & WITH_PORTS) === 0) return hash;
    return hash ^ toeplitzPart(this.#table, bytes, l4, 4, length);
  }
}

/** The kind of a packet that is no fragment. */
function transportKind(protocol: number, hasPorts: boolean): number {
  if (!hasPorts) return RSS_TYPES['ipv4-other'];
  if (protocol === IPV4.PROTOCOL_TCP) return RSS_TYPES['ipv4-tcp'];
  if (protocol === IPV4.PROTOCOL_UDP) return RSS_TYPES['ipv4-udp'];
  return protocol === IPV4.PROTOCOL_SCTP ? RSS_TYPES['ipv4-sctp'] : RSS_TYPES['ipv4-other'];
}

/** A table that gives each of `queues` queues the same share. */
export function evenReta(queues: number): number[] {
  return Array.from({ length: RETA_SIZE }, (_, entry) => entry % queues);
}
