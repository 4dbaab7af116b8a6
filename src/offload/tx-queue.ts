// SPDX-License-Identifier: BSD-3-Clause
// A transmit queue with software offloads: tags are added before the device has the packets.
import type { MbufVector, Mempool } from '../ethdev/mempool.ts';
import type { TxQueue } from '../ethdev/port.ts';
import { ETHER } from '../packet/headers.ts';
import type { TxPlan } from './plan.ts';
import { fieldAt, insertTag, withdrawTag } from './tags.ts';

type Tag = TxPlan['tags'][number];

export class TaggingTxQueue implements TxQueue {
  readonly #sink: TxQueue;
  readonly #plan: TxPlan;
  readonly #tags: readonly Tag[];
  readonly #added: Uint8Array;

  /** `tagged`: the mode adds the tags of the port, besides the one of packets that have none. */
  constructor(sink: TxQueue, plan: TxPlan, tagged: boolean, burst: number) {
    this.#sink = sink;
    this.#plan = plan;
    this.#tags = tagged ? [...plan.tags].reverse() : [];
    this.#added = new Uint8Array(burst);
  }

  /** What the device does not accept gets its old form back, as it may be sent again. */
  burst(pkts: MbufVector, from: number, to: number): number {
    const end = Math.min(to, pkts.capacity);
    for (let i = from; i < end; i++) this.#added[i] = this.#tag(pkts.pool, pkts.ids[i]);
    const sent = this.#sink.burst(pkts, from, end);
    for (let i = from + sent; i < end; i++)
      for (let tags = this.#added[i]; tags > 0; tags--) withdrawTag(pkts.pool, pkts.ids[i]);
    return sent;
  }

  /** HOT. Returns how many tags the packet got. */
  #tag(pool: Mempool, mbuf: number): number {
    const { pvid, tpids } = this.#plan;
    if (mbuf >= pool.count || pool.pktLen[mbuf] < ETHER.HEADER) return 0;
    for (let t = 0; t < this.#tags.length; t++) insertTag(pool, mbuf, this.#tags[t].tpid, this.#tags[t].tci);
    if (this.#tags.length > 0 || pvid === null) return this.#tags.length;
    const type = fieldAt(pool, mbuf, ETHER.TYPE);
    if (type === tpids.inner || type === tpids.outer) return 0;
    insertTag(pool, mbuf, pvid.tpid, pvid.tci);
    return 1;
  }
}
