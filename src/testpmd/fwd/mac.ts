// SPDX-License-Identifier: BSD-3-Clause
// Forwards packets with the peer's address as the destination and the TX port's as the source.
import type { Mempool } from '../../ethdev/mempool.ts';
import { macWords } from '../../packet/mac.ts';
import type { FwdEngine } from './engine.ts';
import { streamReceive, streamTransmit } from './stream.ts';

export const mac: FwdEngine = {
  name: 'mac',
  tags: true,
  streamInit(stream) {
    stream.state = macWords(stream.plan.peerMac, stream.plan.txMac);
  },
  packetFwd(stream) {
    const n = streamReceive(stream);
    if (n === 0) return 0;
    const macs = stream.state as Uint32Array;
    for (let i = 0; i < n; i++) setMacs(stream.pool, stream.pkts.ids[i], macs);
    streamTransmit(stream, n);
    return n;
  },
};

/** HOT. */
export function setMacs(pool: Mempool, mbuf: number, macs: Uint32Array): void {
  const start = mbuf * pool.stride + pool.dataOff[mbuf];
  if ((start & 3) !== 0) {
    for (let i = 0; i < 12; i++) pool.bytes[start + i] = macs[i >>> 2] >>> ((i & 3) * 8);
    return;
  }
  const at = start >>> 2;
  pool.words[at] = macs[0];
  pool.words[at + 1] = macs[1];
  pool.words[at + 2] = macs[2];
}
