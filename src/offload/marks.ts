// SPDX-License-Identifier: BSD-3-Clause
// What DPDK keeps in an mbuf and ours have no field for, beside them: the marks that flow rules set
// (RTE_MBUF_F_RX_FDIR_ID), and the hash (RTE_MBUF_F_RX_RSS_HASH).
import type { Mempool } from '../ethdev/mempool.ts';

class Beside {
  readonly #pools = new WeakMap<Mempool, Uint32Array>();

  of(pool: Mempool): Uint32Array | null {
    return this.#pools.get(pool) ?? null;
  }

  keep(pool: Mempool): Uint32Array {
    const known = this.#pools.get(pool) ?? new Uint32Array(pool.count);
    this.#pools.set(pool, known);
    return known;
  }
}

const marks = new Beside();
const hashes = new Beside();

/** For each mbuf of a pool, 1 plus its mark, or 0; null while no rule of this thread marks. */
export const marksOf = (pool: Mempool): Uint32Array | null => marks.of(pool);

/** The same, from now on for every packet that is received. */
export const keepMarks = (pool: Mempool): Uint32Array => marks.keep(pool);

/** For each mbuf of a pool, its hash, or 0; null while no port of this thread keeps them. */
export const hashesOf = (pool: Mempool): Uint32Array | null => hashes.of(pool);

/** The same, from now on for every packet that is received. */
export const keepHashes = (pool: Mempool): Uint32Array => hashes.keep(pool);
