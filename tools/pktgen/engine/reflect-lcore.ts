// SPDX-License-Identifier: BSD-3-Clause
// The far end of a generator: sends every frame back, MAC addresses exchanged, or answered if it asks for the
// addresses of this end. What the queue does not accept
// is kept and tried again, so that this end loses nothing. Allocates nothing per frame.
import { MBUF_DEFAULT_DATA_ROOM, type Mempool } from '../../../src/ethdev/mempool.ts';
import type { LcoreContext } from '../../../src/lcore/context.ts';
import { swapBytes } from '../../../src/packet/bytes.ts';
import { ETHER } from '../../../src/packet/headers.ts';
import { type HostAddresses, Responder } from './responder.ts';

const BURST = 32;
const MAC_BYTES = 6;
/** Indices of `lcore.stats`. */
export const REFLECTED = 0;
export const REFLECTED_BYTES = 1;
/** Those of them that are answers. */
export const ANSWERED = 2;

export interface ReflectPlan {
  readonly hugepages: boolean;
  /** Null if this end has no addresses. */
  readonly host: HostAddresses | null;
}

export default function reflect(lcore: LcoreContext<ReflectPlan>): void {
  const { hugepages, host } = lcore.data;
  const responder = host === null ? null : new Responder(host);
  const pool = lcore.createPool({ count: 512, dataRoom: MBUF_DEFAULT_DATA_ROOM, hugepages });
  const [rx, tx, pkts] = [lcore.rxQueue(0), lcore.txQueue(0), pool.vector(BURST)];
  while (lcore.running()) {
    const n = rx.burst(pkts, BURST);
    for (let i = 0; i < n; i++) {
      lcore.stats[REFLECTED_BYTES] += pool.pktLen[pkts.ids[i]];
      if (responder?.answer(pool, pkts.ids[i])) lcore.stats[ANSWERED]++;
      else swapMacs(pool, pkts.ids[i]);
    }
    let sent = 0;
    while (sent < n && lcore.running()) sent += tx.burst(pkts, sent, n);
    pool.free(pkts, sent, n);
    lcore.stats[REFLECTED] += sent;
  }
}

/** HOT. */
function swapMacs({ bytes, stride, dataOff }: Mempool, mbuf: number): void {
  const at = mbuf * stride + dataOff[mbuf];
  swapBytes(bytes, at + ETHER.DESTINATION, at + ETHER.SOURCE, MAC_BYTES);
}
