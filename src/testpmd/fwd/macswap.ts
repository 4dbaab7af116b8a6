// SPDX-License-Identifier: BSD-3-Clause
// Forwards packets with source and destination addresses swapped.
import type { Mempool } from '../../ethdev/mempool.ts';
import type { FwdEngine } from './engine.ts';
import { streamReceive, streamTransmit } from './stream.ts';

export const macswap: FwdEngine = {
  name: 'macswap',
  tags: true,
  packetFwd(stream) {
    const n = streamReceive(stream);
    if (n === 0) return 0;
    for (let i = 0; i < n; i++) swapMacs(stream.pool, stream.pkts.ids[i]);
    streamTransmit(stream, n);
    return n;
  },
};

/** HOT. Three words hold both addresses: d0-3 | d4-5 s0-1 | s2-5. Our RX queues align packet data. */
export function swapMacs(pool: Mempool, mbuf: number): void {
  const start = mbuf * pool.stride + pool.dataOff[mbuf];
  if ((start & 3) !== 0) {
    swapBytes(pool.bytes, start);
    return;
  }
  const at = start >>> 2;
  const words = pool.words;
  const w0 = words[at];
  const w1 = words[at + 1];
  const w2 = words[at + 2];
  words[at] = (w1 >>> 16) | (w2 << 16);
  words[at + 1] = (w2 >>> 16) | (w0 << 16);
  words[at + 2] = (w0 >>> 16) | (w1 << 16);
}

function swapBytes(bytes: Uint8Array, start: number): void {
  for (let i = start; i < start + 6; i++) {
    const byte = bytes[i];
    bytes[i] = bytes[i + 6];
    bytes[i + 6] = byte;
  }
}
