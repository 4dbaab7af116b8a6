// SPDX-License-Identifier: BSD-3-Clause
// Writes the packets of a capture into mbufs, one after another, byte for byte. Allocates nothing.
import type { Mempool } from '../../../src/ethdev/mempool.ts';
import type { ReplayPlan } from '../plan/frame-plan.ts';

export class ReplayWriter {
  readonly #pool: Mempool;
  readonly #words: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;
  #next = 0;

  constructor({ words, starts, lengths }: ReplayPlan, pool: Mempool) {
    this.#pool = pool;
    this.#words = words;
    this.#starts = starts;
    this.#lengths = lengths;
  }

  reset(): void {
    this.#next = 0;
  }

  /** HOT. */
  write(mbuf: number): void {
    const { stride, headroom, words, dataLen, pktLen } = this.#pool;
    const length = this.#lengths[this.#next];
    const from = this.#starts[this.#next];
    const to = (mbuf * stride + headroom) >>> 2;
    for (let i = 0; i < (length + 3) >>> 2; i++) words[to + i] = this.#words[from + i];
    dataLen[mbuf] = length;
    pktLen[mbuf] = length;
    this.#next = this.#next + 1 < this.#lengths.length ? this.#next + 1 : 0;
  }
}
