// SPDX-License-Identifier: BSD-3-Clause
// Answers ARP requests for any address with the TX port's MAC address, and ICMP echo requests to any address;
// everything else is freed. Each request is turned into its reply in place. Differences from DPDK's
// icmpecho.c: IP options are skipped, fragments are not answered, and a reply never has a group address as
// its source.
import {
  MBUF_F_NEEDS_CSUM,
  MBUF_F_TSO4,
  MBUF_F_TSO6,
  MBUF_F_USO,
  type Mempool,
} from '../../ethdev/mempool.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import {
  ETHER_HEADER,
  ETHER_TYPE_ARP,
  ETHER_TYPE_IPV4,
  ETHER_TYPE_VLAN,
  IP_PROTOCOL_ICMP,
  VLAN_TAG,
} from '../../packet/frames.ts';
import { macBytes } from '../../packet/mac.ts';
import type { FwdEngine } from './engine.ts';
import { streamReceive, streamTransmit } from './stream.ts';

const ETHER_TYPE = 12;

/** RFC 826, for IPv4 over Ethernet: offsets from the ARP header. */
const ARP_OPERATION = 7;
const ARP_SENDER = 8;
const ARP_TARGET = 18;
const ARP_BYTES = 28;
/** Hardware type Ethernet, protocol IPv4, addresses of 6 and 4 bytes, and the operation REQUEST. */
const ARP_REQUEST = [0, 1, 8, 0, 6, 4, 0, 1];
const ARP_REPLY = 2;

/** RFC 791: offsets from the IP header. */
const IP_TOTAL_LENGTH = 2;
const IP_FRAGMENT = 6;
const IP_PROTOCOL = 9;
const IP_CHECKSUM = 10;
const IP_SOURCE = 12;
const IP_DESTINATION = 16;

/** RFC 792. */
const ICMP_ECHO_REQUEST = 8;
const ICMP_ECHO_REPLY = 0;
const ICMP_CHECKSUM = 2;
const ICMP_HEADER = 8;

const GSO = MBUF_F_TSO4 | MBUF_F_TSO6 | MBUF_F_USO;

export const icmpecho: FwdEngine = {
  name: 'icmpecho',
  streamInit(stream) {
    stream.state = macBytes(stream.plan.txMac);
  },
  packetFwd(stream) {
    const n = streamReceive(stream);
    if (n === 0) return 0;
    const { pool, pkts } = stream;
    const { ids } = pkts;
    let replies = 0;
    for (let i = 0; i < n; i++) {
      const mbuf = ids[i];
      if (!answer(pool, mbuf, stream.state as readonly number[])) continue;
      ids[i] = ids[replies];
      ids[replies++] = mbuf;
    }
    if (replies < n) pool.free(pkts, replies, n);
    if (replies > 0) streamTransmit(stream, replies);
    return n;
  },
};

/**
 * HOT. Turns a request into its reply; returns false if the packet is not a request. Only the first segment
 * is searched for headers.
 */
export function answer(pool: Mempool, mbuf: number, mac: readonly number[]): boolean {
  const { bytes } = pool;
  const frame = mbuf * pool.stride + pool.dataOff[mbuf];
  const end = frame + pool.dataLen[mbuf];
  let l3 = frame + ETHER_HEADER;
  if (l3 > end) return false;
  let type = word(bytes, frame + ETHER_TYPE);
  if (type === ETHER_TYPE_VLAN) {
    l3 += VLAN_TAG;
    if (l3 > end) return false;
    type = word(bytes, l3 - 2);
  }
  if (type === ETHER_TYPE_ARP) return answerArp(bytes, frame, l3, end, mac);
  if (type !== ETHER_TYPE_IPV4) return false;
  return answerEcho(pool, mbuf, frame, l3, mac);
}

function answerArp(
  bytes: Uint8Array,
  frame: number,
  arp: number,
  end: number,
  mac: readonly number[],
): boolean {
  if (arp + ARP_BYTES > end) return false;
  for (let i = 0; i < ARP_REQUEST.length; i++) if (bytes[arp + i] !== ARP_REQUEST[i]) return false;
  bytes[arp + ARP_OPERATION] = ARP_REPLY;
  swap(bytes, arp + ARP_SENDER, arp + ARP_TARGET, 10);
  copy(bytes, frame, frame + 6);
  for (let i = 0; i < 6; i++) {
    bytes[frame + 6 + i] = mac[i];
    bytes[arp + ARP_SENDER + i] = mac[i];
  }
  return true;
}

function answerEcho(pool: Mempool, mbuf: number, frame: number, ip: number, mac: readonly number[]): boolean {
  const { bytes } = pool;
  const end = frame + pool.dataLen[mbuf];
  if (ip + 20 > end || bytes[ip] >>> 4 !== 4) return false;
  const header = (bytes[ip] & 0xf) * 4;
  const icmp = ip + header;
  const total = word(bytes, ip + IP_TOTAL_LENGTH);
  if (header < 20 || icmp + ICMP_HEADER > end) return false;
  if (total < header + ICMP_HEADER || ip - frame + total > pool.pktLen[mbuf]) return false;
  // A fragment: MF is set or the offset is not 0. Fragments cannot be answered on their own.
  if ((word(bytes, ip + IP_FRAGMENT) & 0x3fff) !== 0) return false;
  if (bytes[ip + IP_PROTOCOL] !== IP_PROTOCOL_ICMP) return false;
  if (bytes[icmp] !== ICMP_ECHO_REQUEST || bytes[icmp + 1] !== 0) return false;
  // ICMP is never segmented by GSO.
  const flags = pool.olFlags[mbuf];
  if ((flags & GSO) !== 0) return false;
  swapMacs(bytes, frame, mac);
  swapAddresses(bytes, ip, header);
  bytes[icmp] = ICMP_ECHO_REPLY;
  // With NEEDS_CSUM, a later stage computes the checksum from the packet as it is now.
  if ((flags & MBUF_F_NEEDS_CSUM) === 0) updateChecksum(bytes, icmp + ICMP_CHECKSUM);
  return true;
}

/** A reply to a group-addressed frame gets the port's own address as its source. */
function swapMacs(bytes: Uint8Array, frame: number, mac: readonly number[]): void {
  const group = (bytes[frame] & 1) !== 0;
  swap(bytes, frame, frame + 6, 6);
  if (group) for (let i = 0; i < 6; i++) bytes[frame + 6 + i] = mac[i];
}

/**
 * The source of the reply is the address that was asked. If that is a group address, the source is the
 * requester's address with its last two bits set to 1, or to 2 if they are 1 already, as in DPDK.
 */
function swapAddresses(bytes: Uint8Array, ip: number, header: number): void {
  swap(bytes, ip + IP_SOURCE, ip + IP_DESTINATION, 4);
  const first = bytes[ip + IP_SOURCE];
  const group = first >>> 4 === 0xe || (first === 255 && word(bytes, ip + IP_SOURCE + 2) === 0xffff);
  // Swapping the addresses does not change the header checksum (RFC 1071, 2 (A)).
  if (!group) return;
  for (let i = 0; i < 4; i++) bytes[ip + IP_SOURCE + i] = bytes[ip + IP_DESTINATION + i];
  const last = ip + IP_SOURCE + 3;
  bytes[last] = (bytes[last] & 0xfc) | ((bytes[last] & 3) === 1 ? 2 : 1);
  setWord(bytes, ip + IP_CHECKSUM, 0);
  setWord(bytes, ip + IP_CHECKSUM, internetChecksum(bytes, ip, header));
}

/**
 * Updates the checksum for the type's change from 8 to 0 in the upper half of a word (RFC 1624, equation 3).
 * The request's checksum is assumed to be correct.
 */
function updateChecksum(bytes: Uint8Array, at: number): void {
  const sum = (~word(bytes, at) & 0xffff) + (~(ICMP_ECHO_REQUEST << 8) & 0xffff) + (ICMP_ECHO_REPLY << 8);
  setWord(bytes, at, ~((sum & 0xffff) + (sum >>> 16)));
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function swap(bytes: Uint8Array, a: number, b: number, length: number): void {
  for (let i = 0; i < length; i++) {
    const byte = bytes[a + i];
    bytes[a + i] = bytes[b + i];
    bytes[b + i] = byte;
  }
}

function copy(bytes: Uint8Array, to: number, from: number): void {
  for (let i = 0; i < 6; i++) bytes[to + i] = bytes[from + i];
}
