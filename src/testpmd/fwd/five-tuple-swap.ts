// SPDX-License-Identifier: BSD-3-Clause
// Mode 5tswap: forwards packets with the addresses of Ethernet and IP and the ports of UDP and TCP swapped.
// The sums that their checksums cover stay the same.
import type { Mempool } from '../../ethdev/mempool.ts';
import { readUint16BE, swapBytes } from '../../packet/bytes.ts';
import { ETHER, IPV4, IPV6, ipv4HeaderLength, isFragment, networkHeader } from '../../packet/headers.ts';
import type { FwdEngine } from './engine.ts';
import { swapMacs } from './macswap.ts';
import { streamReceive, streamTransmit } from './stream.ts';

export const fiveTupleSwap: FwdEngine = {
  name: '5tswap',
  tags: true,
  packetFwd(stream) {
    const n = streamReceive(stream);
    if (n === 0) return 0;
    for (let i = 0; i < n; i++) swapFiveTuple(stream.pool, stream.pkts.ids[i]);
    streamTransmit(stream, n);
    return n;
  },
};

/** HOT. */
export function swapFiveTuple(pool: Mempool, mbuf: number): void {
  const { bytes } = pool;
  const frame = mbuf * pool.stride + pool.dataOff[mbuf];
  const end = frame + pool.dataLen[mbuf];
  swapMacs(pool, mbuf);
  const ip = networkHeader(bytes, frame, end);
  if (ip < 0) return;
  const type = readUint16BE(bytes, ip - 2);
  if (type === ETHER.TYPE_IPV4) {
    const header = ipv4HeaderLength(bytes, ip, end);
    if (header === 0) return;
    swapBytes(bytes, ip + IPV4.SOURCE, ip + IPV4.DESTINATION, 4);
    if (!isFragment(bytes, ip)) swapPorts(bytes, bytes[ip + IPV4.PROTOCOL], ip + header, end);
  } else if (type === ETHER.TYPE_IPV6 && ip + IPV6.HEADER <= end) {
    swapBytes(bytes, ip + IPV6.SOURCE, ip + IPV6.DESTINATION, 16);
    swapPorts(bytes, bytes[ip + IPV6.NEXT_HEADER], ip + IPV6.HEADER, end);
  }
}

/** UDP and TCP have their ports at the same places. */
function swapPorts(bytes: Uint8Array, protocol: number, l4: number, end: number): void {
  if (protocol !== IPV4.PROTOCOL_UDP && protocol !== IPV4.PROTOCOL_TCP) return;
  if (l4 + 4 <= end) swapBytes(bytes, l4, l4 + 2, 2);
}
