// SPDX-License-Identifier: BSD-3-Clause
// Mbuf pools, and vectors of mbufs.
import type { PoolHandle, VectorHandle } from './handles.ts';

export interface PoolLayout {
  /** mbufs in the pool. */
  readonly count: number;
  /** Bytes from one mbuf's buffer to the next. */
  readonly stride: number;
  /** Bytes of headroom before packet data. */
  readonly headroom: number;
  /** Bytes of data that one mbuf holds after its headroom. */
  readonly dataRoom: number;
  /** Byte offsets in the pool's memory. */
  readonly data: number;
  /** Uint16Array(count): offset of the packet's first byte in its buffer. */
  readonly dataOff: number;
  /** Uint16Array(count): bytes in this segment. */
  readonly dataLen: number;
  /** Uint32Array(count): bytes of the whole packet, valid in its first segment. */
  readonly pktLen: number;
  /** Uint32Array(count): index of the next segment, 0xffffffff for none. */
  readonly next: number;
  /**
   * Uint16Array(count) each, valid in a packet's first segment: MBUF_F_* of src/ethdev/mempool.ts, and their
   * operands.
   */
  readonly olFlags: number;
  readonly csumStart: number;
  readonly csumOffset: number;
  readonly gsoSize: number;
  readonly hdrLen: number;
}

export interface PoolCalls {
  /** A pool for one thread. `dataRoom` 64 to 65472 - headroom; `count` 1 to 2^20. */
  poolCreate(options: { count: number; dataRoom: number; headroom: number; hugepages: boolean }): PoolHandle;
  poolLayout(pool: PoolHandle): PoolLayout;
  /** The pool's memory (see PoolLayout), for the calling thread. */
  poolBuffer(pool: PoolHandle): ArrayBuffer;
  /** Free mbufs. */
  poolAvailable(pool: PoolHandle): number;
  poolDestroy(pool: PoolHandle): void;
  /**
   * A vector of up to `capacity` mbuf numbers in the pool's memory: Uint32Array(poolBuffer, vectorOffset,
   * capacity).
   */
  vectorCreate(pool: PoolHandle, capacity: number): VectorHandle;
  vectorOffset(vector: VectorHandle): number;
  /**
   * HOT. Allocates `n` single-segment mbufs (data at the headroom, `length` bytes of it, olFlags 0) into
   * vector[0..n): all or none; returns n or 0.
   */
  poolAlloc(vector: VectorHandle, n: number, length?: number): number;
  /** HOT. Frees the packets vector[from..to) with all their segments. */
  poolFree(vector: VectorHandle, from: number, to: number): void;
}
