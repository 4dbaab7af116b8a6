// SPDX-License-Identifier: BSD-3-Clause
// Sums and copies of packets in several mbufs.

import type { Mempool } from '../ethdev/mempool.ts';
import { copyBytes } from '../packet/bytes.ts';
import { internetChecksum } from '../packet/checksum.ts';

/** HOT. A sum in ones' complement, in 16 bits. */
export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** HOT. The sum (RFC 1071) over `length` bytes from `offset` on of the packet that starts in mbuf `first`. */
export function chainSum(pool: Mempool, first: number, offset: number, length: number): number {
  if (offset + length <= pool.dataLen[first])
    return ~internetChecksum(pool.bytes, first * pool.stride + pool.dataOff[first] + offset, length) & 0xffff;
  return piecesSum(pool, first, offset, length);
}

function piecesSum(pool: Mempool, first: number, offset: number, length: number): number {
  let id = first;
  let skip = offset;
  let left = length;
  let sum = 0;
  let odd = false;
  while (left > 0 && id < pool.count) {
    const have = pool.dataLen[id] - skip;
    if (have > 0) {
      const part = Math.min(left, have);
      const at = id * pool.stride + pool.dataOff[id] + skip;
      const own = ~internetChecksum(pool.bytes, at, part) & 0xffff;
      // Bytes at odd places are the lower halves of words (RFC 1071, 2 (B)).
      sum = fold(sum + (odd ? ((own & 0xff) << 8) | (own >>> 8) : own));
      odd = odd !== (part % 2 === 1);
      left -= part;
    }
    skip = Math.max(0, -have);
    id = pool.next[id];
  }
  return sum;
}

/** Reads a packet from front to back. */
export class ChainReader {
  readonly #pool: Mempool;
  #id = 0;
  #at = 0;

  constructor(pool: Mempool) {
    this.#pool = pool;
  }

  /** Goes to a byte of the packet that starts in mbuf `first`. */
  start(first: number, offset: number): void {
    this.#id = first;
    this.#at = offset;
  }

  /** HOT. Copies the next `length` bytes, which the packet has, to `to` of the pool's bytes. */
  copy(to: number, length: number): void {
    const { bytes, stride, dataOff, dataLen, next, count } = this.#pool;
    for (let done = 0; done < length && this.#id < count; ) {
      const part = Math.min(length - done, dataLen[this.#id] - this.#at);
      if (part > 0) copyBytes(bytes, to + done, this.#id * stride + dataOff[this.#id] + this.#at, part);
      done += Math.max(0, part);
      this.#at += Math.max(0, part);
      if (this.#at < dataLen[this.#id]) continue;
      this.#at -= dataLen[this.#id];
      this.#id = next[this.#id];
    }
  }
}
