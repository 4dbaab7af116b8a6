// SPDX-License-Identifier: BSD-3-Clause
// The marks that flow rules set on packets (DPDK: RTE_MBUF_F_RX_FDIR_ID), beside the mbufs, which have no
// field for them.
import type { Mempool } from '../ethdev/mempool.ts';

const pools = new WeakMap<Mempool, Uint32Array>();

/** For each mbuf of a pool, 1 plus its mark, or 0; null while no rule of this thread marks. */
export function marksOf(pool: Mempool): Uint32Array | null {
  return pools.get(pool) ?? null;
}

/** The same, from now on for every packet that is received. */
export function keepMarks(pool: Mempool): Uint32Array {
  const marks = pools.get(pool) ?? new Uint32Array(pool.count);
  pools.set(pool, marks);
  return marks;
}
