// SPDX-License-Identifier: BSD-3-Clause
// Mode 5tswap: forwards packets with the addresses of Ethernet and IP and the ports of UDP and TCP swapped.
// The sums that their checksums cover stay the same.
import type { Mempool } from '../../ethdev/mempool.ts';
import { swapBytes } from '../../packet/bytes.ts';
import { IPV4, IPV6, isFragment } from '../../packet/headers.ts';
import { Layers } from '../../packet/layers.ts';
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

const layers = new Layers();

/** HOT. */
export function swapFiveTuple(pool: Mempool, mbuf: number): void {
  const { bytes } = pool;
  const frame = mbuf * pool.stride + pool.dataOff[mbuf];
  const end = frame + pool.dataLen[mbuf];
  swapMacs(pool, mbuf);
  if (!layers.parse(bytes, frame, end, false)) return;
  const { ip, version, l4, protocol } = layers;
  if (version === 4) swapBytes(bytes, ip + IPV4.SOURCE, ip + IPV4.DESTINATION, 4);
  else swapBytes(bytes, ip + IPV6.SOURCE, ip + IPV6.DESTINATION, 16);
  if (version === 6 || !isFragment(bytes, ip)) swapPorts(bytes, protocol, l4, end);
}

/** UDP and TCP have their ports at the same places. */
function swapPorts(bytes: Uint8Array, protocol: number, l4: number, end: number): void {
  if (protocol !== IPV4.PROTOCOL_UDP && protocol !== IPV4.PROTOCOL_TCP) return;
  if (l4 + 4 <= end) swapBytes(bytes, l4, l4 + 2, 2);
}
