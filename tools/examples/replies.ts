// SPDX-License-Identifier: BSD-3-Clause
// Turns requests into their replies, in place: ARP, ping, and UDP datagrams to one port.
import {
  ARP,
  copyBytes,
  ETHER,
  ICMP,
  IPV4,
  ipv4HeaderLength,
  isArp,
  isFragment,
  type Mempool,
  networkHeader,
  readInt32BE,
  readUint16BE,
  swapBytes,
  UDP,
  updatedChecksum,
  writeUint16BE,
} from 'vhost-pci-pmd';

export interface Host {
  readonly mac: Uint8Array;
  readonly ip: number;
  /** The UDP port whose datagrams are returned. */
  readonly port: number;
}

/** HOT. Turns a request into its reply; false for everything else. */
export function answer(pool: Mempool, mbuf: number, host: Host): boolean {
  const { bytes } = pool;
  const frame = mbuf * pool.stride + pool.dataOff[mbuf];
  const end = frame + pool.dataLen[mbuf];
  const l3 = networkHeader(bytes, frame, end);
  if (l3 < 0) return false;
  const type = readUint16BE(bytes, l3 - 2);
  const answered =
    type === ETHER.TYPE_ARP
      ? answerArp(bytes, l3, end, host)
      : type === ETHER.TYPE_IPV4 && answerIpv4(bytes, l3, end, host);
  if (!answered) return false;
  copyBytes(bytes, frame + ETHER.DESTINATION, frame + ETHER.SOURCE, 6);
  for (let i = 0; i < 6; i++) bytes[frame + ETHER.SOURCE + i] = host.mac[i];
  return true;
}

function answerArp(bytes: Uint8Array, arp: number, end: number, host: Host): boolean {
  if (!isArp(bytes, arp, end) || readUint16BE(bytes, arp + ARP.OPERATION) !== ARP.REQUEST) return false;
  if (readInt32BE(bytes, arp + ARP.TARGET_IP) !== host.ip) return false;
  writeUint16BE(bytes, arp + ARP.OPERATION, ARP.REPLY);
  swapBytes(bytes, arp + ARP.SENDER_MAC, arp + ARP.TARGET_MAC, 10);
  for (let i = 0; i < 6; i++) bytes[arp + ARP.SENDER_MAC + i] = host.mac[i];
  return true;
}

/** The addresses change places, which leaves the checksums of IP and UDP as they are. */
function answerIpv4(bytes: Uint8Array, ip: number, end: number, host: Host): boolean {
  const header = ipv4HeaderLength(bytes, ip, end);
  const l4 = ip + header;
  if (header === 0 || isFragment(bytes, ip) || l4 + UDP.HEADER > end) return false;
  if (readInt32BE(bytes, ip + IPV4.DESTINATION) !== host.ip) return false;
  const protocol = bytes[ip + IPV4.PROTOCOL];
  const answered =
    protocol === IPV4.PROTOCOL_UDP
      ? answerUdp(bytes, l4, host)
      : protocol === IPV4.PROTOCOL_ICMP && answerPing(bytes, l4);
  if (answered) swapBytes(bytes, ip + IPV4.SOURCE, ip + IPV4.DESTINATION, 4);
  return answered;
}

function answerUdp(bytes: Uint8Array, udp: number, host: Host): boolean {
  if (readUint16BE(bytes, udp + UDP.DESTINATION_PORT) !== host.port) return false;
  // Another echo server would return our replies forever.
  if (readUint16BE(bytes, udp + UDP.SOURCE_PORT) === host.port) return false;
  swapBytes(bytes, udp + UDP.SOURCE_PORT, udp + UDP.DESTINATION_PORT, 2);
  return true;
}

function answerPing(bytes: Uint8Array, icmp: number): boolean {
  if (readUint16BE(bytes, icmp) !== ICMP.ECHO_REQUEST << 8) return false;
  bytes[icmp + ICMP.TYPE] = ICMP.ECHO_REPLY;
  const checksum = readUint16BE(bytes, icmp + ICMP.CHECKSUM);
  writeUint16BE(bytes, icmp + ICMP.CHECKSUM, updatedChecksum(checksum, ICMP.ECHO_REQUEST << 8, 0));
  return true;
}
