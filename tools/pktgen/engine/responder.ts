// SPDX-License-Identifier: BSD-3-Clause
// A host at the far end: answers who asks for its addresses (ARP, neighbour discovery) and pings them, so
// that a kernel or another generator can send to it. Allocates nothing.
import {
  MBUF_F_NEEDS_CSUM,
  MBUF_F_TSO4,
  MBUF_F_TSO6,
  MBUF_F_USO,
  type Mempool,
} from '../../../src/ethdev/mempool.ts';
import { readUint16BE } from '../../../src/packet/bytes.ts';
import { answerArp, answerEcho } from '../../../src/packet/echo.ts';
import { answerEcho6, answerSolicitation, icmp6Length, isSolicitation } from '../../../src/packet/echo6.ts';
import {
  ARP,
  ETHER,
  ICMPV6,
  IPV4,
  IPV6,
  ipv4HeaderLength,
  isArp,
  networkHeader,
} from '../../../src/packet/headers.ts';
import {
  hasWholeOptions,
  isArpFromHost,
  isAt,
  isForHost,
  isHost4,
  isHost6,
  isOneHost,
  isSummed4,
  isSummed6,
} from './request.ts';

const GSO = MBUF_F_TSO4 | MBUF_F_TSO6 | MBUF_F_USO;

/** Addresses as bytes; an IP address that it has not is empty. */
export interface HostAddresses {
  readonly mac: readonly number[];
  readonly ipv4: readonly number[];
  readonly ipv6: readonly number[];
}

export class Responder {
  readonly #own: HostAddresses;

  constructor(own: HostAddresses) {
    this.#own = own;
  }

  /** HOT. Turns a request for one of the addresses into its reply; false if it is none, and it stays so. */
  answer(pool: Mempool, mbuf: number): boolean {
    const { bytes } = pool;
    const frame = mbuf * pool.stride + pool.dataOff[mbuf];
    const end = frame + pool.dataLen[mbuf];
    const l3 = networkHeader(bytes, frame, end);
    const flags = pool.olFlags[mbuf];
    if (l3 < 0 || (flags & GSO) !== 0 || !isForHost(bytes, frame, this.#own.mac)) return false;
    const summed = (flags & MBUF_F_NEEDS_CSUM) === 0;
    switch (readUint16BE(bytes, l3 - 2)) {
      case ETHER.TYPE_ARP:
        return this.#arp(bytes, frame, l3, end);
      case ETHER.TYPE_IPV4:
        return this.#ipv4(pool, mbuf, frame, l3, summed);
      case ETHER.TYPE_IPV6:
        return this.#ipv6(bytes, frame, l3, end, summed);
      default:
        return false;
    }
  }

  #arp(bytes: Uint8Array, frame: number, arp: number, end: number): boolean {
    const { mac, ipv4 } = this.#own;
    if (!isArp(bytes, arp, end) || !isAt(bytes, arp + ARP.TARGET_IP, ipv4)) return false;
    return isArpFromHost(bytes, arp, ipv4) && answerArp(bytes, frame, arp, end, mac);
  }

  #ipv4(pool: Mempool, mbuf: number, frame: number, ip: number, summed: boolean): boolean {
    const { bytes } = pool;
    const { mac, ipv4 } = this.#own;
    const end = frame + pool.dataLen[mbuf];
    const header = ipv4HeaderLength(bytes, ip, end);
    if (header === 0 || bytes[ip + IPV4.PROTOCOL] !== IPV4.PROTOCOL_ICMP) return false;
    if (!isOneHost(bytes, frame) || !isAt(bytes, ip + IPV4.DESTINATION, ipv4)) return false;
    if (!isHost4(bytes, ip + IPV4.SOURCE, ipv4)) return false;
    if (summed && !isSummed4(bytes, ip, header, end)) return false;
    return answerEcho(bytes, frame, ip, end, pool.pktLen[mbuf], mac, summed);
  }

  #ipv6(bytes: Uint8Array, frame: number, ip: number, end: number, summed: boolean): boolean {
    const { mac, ipv6 } = this.#own;
    const length = icmp6Length(bytes, ip, end);
    if (length === 0 || !isHost6(bytes, ip + IPV6.SOURCE, ipv6)) return false;
    if (isSolicitation(bytes, ip, length)) {
      if (!isAt(bytes, ip + IPV6.HEADER + ICMPV6.TARGET, ipv6)) return false;
      if (!hasWholeOptions(bytes, ip, length) || (summed && !isSummed6(bytes, ip, length))) return false;
      return answerSolicitation(bytes, frame, ip, length, mac);
    }
    if (!isOneHost(bytes, frame) || !isAt(bytes, ip + IPV6.DESTINATION, ipv6)) return false;
    return (!summed || isSummed6(bytes, ip, length)) && answerEcho6(bytes, frame, ip, mac, summed);
  }
}
