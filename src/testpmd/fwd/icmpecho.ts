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
import { copyBytes, readUint16BE, swapBytes, writeUint16BE } from '../../packet/bytes.ts';
import { internetChecksum, updatedChecksum } from '../../packet/checksum.ts';
import {
  ARP,
  ETHER,
  ICMP,
  IPV4,
  ipv4HeaderLength,
  isArp,
  isFragment,
  networkHeader,
} from '../../packet/headers.ts';
import { macBytes } from '../../packet/mac.ts';
import type { FwdEngine } from './engine.ts';
import { streamReceive, streamTransmit } from './stream.ts';

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
  const l3 = networkHeader(bytes, frame, end);
  if (l3 < 0) return false;
  const type = readUint16BE(bytes, l3 - 2);
  if (type === ETHER.TYPE_ARP) return answerArp(bytes, frame, l3, end, mac);
  if (type !== ETHER.TYPE_IPV4) return false;
  return answerEcho(pool, mbuf, frame, l3, mac);
}

function answerArp(
  bytes: Uint8Array,
  frame: number,
  arp: number,
  end: number,
  mac: readonly number[],
): boolean {
  if (!isArp(bytes, arp, end) || readUint16BE(bytes, arp + ARP.OPERATION) !== ARP.REQUEST) return false;
  writeUint16BE(bytes, arp + ARP.OPERATION, ARP.REPLY);
  swapBytes(bytes, arp + ARP.SENDER_MAC, arp + ARP.TARGET_MAC, 10);
  copyBytes(bytes, frame + ETHER.DESTINATION, frame + ETHER.SOURCE, 6);
  for (let i = 0; i < 6; i++) {
    bytes[frame + ETHER.SOURCE + i] = mac[i];
    bytes[arp + ARP.SENDER_MAC + i] = mac[i];
  }
  return true;
}

function answerEcho(pool: Mempool, mbuf: number, frame: number, ip: number, mac: readonly number[]): boolean {
  const { bytes } = pool;
  const end = frame + pool.dataLen[mbuf];
  const header = ipv4HeaderLength(bytes, ip, end);
  if (header === 0) return false;
  const icmp = ip + header;
  const total = readUint16BE(bytes, ip + IPV4.TOTAL_LENGTH);
  if (icmp + ICMP.HEADER > end) return false;
  if (total < header + ICMP.HEADER || ip - frame + total > pool.pktLen[mbuf]) return false;
  // Fragments cannot be answered on their own.
  if (isFragment(bytes, ip)) return false;
  if (bytes[ip + IPV4.PROTOCOL] !== IPV4.PROTOCOL_ICMP) return false;
  if (bytes[icmp + ICMP.TYPE] !== ICMP.ECHO_REQUEST || bytes[icmp + ICMP.CODE] !== 0) return false;
  // ICMP is never segmented by GSO.
  const flags = pool.olFlags[mbuf];
  if ((flags & GSO) !== 0) return false;
  swapMacs(bytes, frame, mac);
  swapAddresses(bytes, ip, header);
  bytes[icmp + ICMP.TYPE] = ICMP.ECHO_REPLY;
  // With NEEDS_CSUM, a later stage computes the checksum from the packet as it is now.
  if ((flags & MBUF_F_NEEDS_CSUM) === 0) updateChecksum(bytes, icmp + ICMP.CHECKSUM);
  return true;
}

/** A reply to a group-addressed frame gets the port's own address as its source. */
function swapMacs(bytes: Uint8Array, frame: number, mac: readonly number[]): void {
  const group = (bytes[frame] & 1) !== 0;
  swapBytes(bytes, frame + ETHER.DESTINATION, frame + ETHER.SOURCE, 6);
  if (group) for (let i = 0; i < 6; i++) bytes[frame + ETHER.SOURCE + i] = mac[i];
}

/**
 * The source of the reply is the address that was asked. If that is a group address, the source is the
 * requester's address with its last two bits set to 1, or to 2 if they are 1 already, as in DPDK.
 */
function swapAddresses(bytes: Uint8Array, ip: number, header: number): void {
  swapBytes(bytes, ip + IPV4.SOURCE, ip + IPV4.DESTINATION, 4);
  const first = bytes[ip + IPV4.SOURCE];
  const group =
    first >>> 4 === 0xe || (first === 255 && readUint16BE(bytes, ip + IPV4.SOURCE + 2) === 0xffff);
  // Swapping the addresses does not change the header checksum (RFC 1071, 2 (A)).
  if (!group) return;
  copyBytes(bytes, ip + IPV4.SOURCE, ip + IPV4.DESTINATION, 4);
  const last = ip + IPV4.SOURCE + 3;
  bytes[last] = (bytes[last] & 0xfc) | ((bytes[last] & 3) === 1 ? 2 : 1);
  writeUint16BE(bytes, ip + IPV4.CHECKSUM, 0);
  writeUint16BE(bytes, ip + IPV4.CHECKSUM, internetChecksum(bytes, ip, header));
}

/** The type becomes 0 in the upper half of a word. The request's checksum is assumed to be correct. */
function updateChecksum(bytes: Uint8Array, at: number): void {
  const checksum = readUint16BE(bytes, at);
  writeUint16BE(bytes, at, updatedChecksum(checksum, ICMP.ECHO_REQUEST << 8, ICMP.ECHO_REPLY << 8));
}
