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
import { readUint16BE } from '../../packet/bytes.ts';
import { answerArp, answerEcho } from '../../packet/echo.ts';
import { ETHER, networkHeader } from '../../packet/headers.ts';
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
  // ICMP is never segmented by GSO.
  const flags = pool.olFlags[mbuf];
  if ((flags & GSO) !== 0) return false;
  // With NEEDS_CSUM, a later stage computes the checksum from the packet as it is now.
  const summed = (flags & MBUF_F_NEEDS_CSUM) === 0;
  return answerEcho(bytes, frame, l3, end, pool.pktLen[mbuf], mac, summed);
}
