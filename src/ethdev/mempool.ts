// SPDX-License-Identifier: BSD-3-Clause
// mbufs are numbers; their fields are in typed arrays over the pool's memory. Nothing here allocates after
// set-up.
import { argumentError, requireInteger, requireOptions } from '../arguments.ts';
import { failedTo, PmdError } from '../errors.ts';
import { requireMemory } from '../machine-memory.ts';
import { NO_NEXT, native, type PoolHandle, type VectorHandle } from '../native.ts';
import { warnOnce } from '../warnings.ts';

export const MBUF_DEFAULT_HEADROOM = 128;
export const MBUF_DEFAULT_DATA_ROOM = 2048;

/** Bits of `olFlags`: work left to a later stage; the same as in addon/packet/mbuf_pool.h. */
export const MBUF_F_CSUM_VALID = 1;
/**
 * The checksum from `csumStart` to the end must be stored at `csumStart + csumOffset`, which holds the
 * pseudo-header's sum.
 */
export const MBUF_F_NEEDS_CSUM = 2;
/** TCP over IPv4 (IPv6), to be segmented into `gsoSize` bytes each. */
export const MBUF_F_TSO4 = 4;
export const MBUF_F_TSO6 = 8;
/** UDP, to be split into datagrams of `gsoSize` bytes each. */
export const MBUF_F_USO = 16;
/** With TSO: the segments carry ECN congestion marks. */
export const MBUF_F_ECN = 32;

/** In `next`: this segment is the last of its packet. */
export const MBUF_NO_NEXT = NO_NEXT;

export interface MempoolOptions {
  /** Number of mbufs, 1 to 2^20; default 8192. */
  readonly count?: number;
  /** Bytes of packet data per mbuf, 64 to 65472 - headroom; default 2048. */
  readonly dataRoom?: number;
  /** Bytes before the data, a multiple of 64 up to 1024; default 128. */
  readonly headroom?: number;
  /** Try hugepages first; default true. */
  readonly hugepages?: boolean;
}

/** A burst of packets: up to `capacity` mbuf numbers in memory that the ring engine shares. */
export class MbufVector {
  /** The pool that these mbufs belong to. */
  readonly pool: Mempool;
  readonly handle: VectorHandle;
  readonly ids: Uint32Array;
  readonly capacity: number;

  constructor(pool: Mempool, handle: VectorHandle, ids: Uint32Array) {
    this.pool = pool;
    this.handle = handle;
    this.ids = ids;
    this.capacity = ids.length;
  }
}

/** Limits of addon/binding/ring_pools.cc. */
const MAX_MBUFS = 1 << 20;
const MAX_VECTOR = 32_768;
const MAX_BUFFER = 65_472;
const MAX_HEADROOM = 1024;
const OPTIONS = ['count', 'dataRoom', 'headroom', 'hugepages'];

function checkOptions(all: Required<MempoolOptions>): void {
  const call = 'new Mempool()';
  requireInteger(call, 'count', all.count, 1, MAX_MBUFS);
  requireInteger(call, 'headroom', all.headroom, 0, MAX_HEADROOM);
  if (all.headroom % 64 !== 0) throw argumentError(call, 'headroom', 'a multiple of 64', all.headroom);
  requireInteger(call, 'dataRoom', all.dataRoom, 64, MAX_BUFFER - all.headroom);
  if (typeof all.hugepages !== 'boolean')
    throw argumentError(call, 'hugepages', 'true or false', all.hugepages);
}

function created<T>(what: string, create: () => T): T {
  try {
    return create();
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOSPC'
      ? new PmdError('ENOSPC', `Failed to get ${what}: the maximum number exists already`)
      : failedTo(`get ${what}`, error);
  }
}

/** Packets are slower, and a control group is not an obvious cause. */
function reportHugepages(): void {
  if (!native.hugepagesRefused()) return;
  warnOnce({
    code: 'VPCI_NO_HUGEPAGES',
    message: 'mempool: no hugepages (limited by a control group, hugetlb.2MB.max): using ordinary pages',
  });
}

/** A pool of mbufs for one thread. */
export class Mempool {
  readonly handle: PoolHandle;
  readonly count: number;
  readonly stride: number;
  readonly headroom: number;
  readonly dataRoom: number;
  /** All packet data: mbuf m starts at `m * stride`, its packet at `m * stride + dataOff[m]`. */
  readonly bytes: Uint8Array;
  /** The same memory as 32-bit words (stride and headroom are multiples of 64). */
  readonly words: Uint32Array;
  readonly dataOff: Uint16Array;
  readonly dataLen: Uint16Array;
  readonly pktLen: Uint32Array;
  readonly next: Uint32Array;
  /**
   * Offload metadata of a packet, in its first segment; offsets count from the packet's first byte. The
   * creator of a packet sets `olFlags` (`alloc` clears it); the other fields are meaningful only with a flag
   * that refers to them.
   */
  readonly olFlags: Uint16Array;
  readonly csumStart: Uint16Array;
  readonly csumOffset: Uint16Array;
  readonly gsoSize: Uint16Array;
  /** Length in bytes of the headers that every segment repeats; a hint. */
  readonly hdrLen: Uint16Array;
  readonly #buffer: ArrayBuffer;
  #closed = false;

  /** Throws VPCI_ARGUMENT, or ENOMEM if this process cannot have that much memory. */
  constructor(options: MempoolOptions = {}) {
    requireOptions('new Mempool()', 'options', options, OPTIONS);
    const {
      count = 8192,
      dataRoom = MBUF_DEFAULT_DATA_ROOM,
      headroom = MBUF_DEFAULT_HEADROOM,
      hugepages = true,
    } = options;
    const all = { count, dataRoom, headroom, hugepages };
    checkOptions(all);
    requireMemory(all.count * (all.headroom + all.dataRoom), `a pool of ${all.count} mbufs`);
    this.handle = created(`a pool of ${all.count} mbufs`, () => native.poolCreate(all));
    reportHugepages();
    const layout = native.poolLayout(this.handle);
    this.#buffer = native.poolBuffer(this.handle);
    this.count = layout.count;
    this.stride = layout.stride;
    this.headroom = layout.headroom;
    this.dataRoom = layout.dataRoom;
    this.bytes = new Uint8Array(this.#buffer, layout.data, layout.count * layout.stride);
    this.words = new Uint32Array(this.#buffer, layout.data, (layout.count * layout.stride) / 4);
    this.dataOff = new Uint16Array(this.#buffer, layout.dataOff, layout.count);
    this.dataLen = new Uint16Array(this.#buffer, layout.dataLen, layout.count);
    this.pktLen = new Uint32Array(this.#buffer, layout.pktLen, layout.count);
    this.next = new Uint32Array(this.#buffer, layout.next, layout.count);
    this.olFlags = new Uint16Array(this.#buffer, layout.olFlags, layout.count);
    this.csumStart = new Uint16Array(this.#buffer, layout.csumStart, layout.count);
    this.csumOffset = new Uint16Array(this.#buffer, layout.csumOffset, layout.count);
    this.gsoSize = new Uint16Array(this.#buffer, layout.gsoSize, layout.count);
    this.hdrLen = new Uint16Array(this.#buffer, layout.hdrLen, layout.count);
  }

  /**
   * Creates a vector of up to 32768 mbufs of this pool. A pool has at most 1024 vectors, which are freed with
   * it.
   */
  vector(capacity: number): MbufVector {
    requireInteger('vector()', 'capacity', capacity, 1, MAX_VECTOR);
    if (this.#closed) throw new PmdError('VPCI_CLOSED', 'Failed to call vector(): the pool is closed');
    const handle = created(`another vector of ${capacity} mbufs`, () =>
      native.vectorCreate(this.handle, capacity),
    );
    return new MbufVector(this, handle, new Uint32Array(this.#buffer, native.vectorOffset(handle), capacity));
  }

  /** HOT. Allocates `n` empty mbufs into `pkts.ids[0..n)`, all or none; returns `n` or 0. */
  alloc(pkts: MbufVector, n: number): number {
    return native.poolAlloc(pkts.handle, n);
  }

  /** HOT. Returns `pkts.ids[from..to)` to the pool. */
  free(pkts: MbufVector, from: number, to: number): void {
    native.poolFree(pkts.handle, from, to);
  }

  /** Number of mbufs free now. */
  get available(): number {
    return native.poolAvailable(this.handle);
  }

  /** Frees the memory; vectors and views of this pool must not be used afterwards. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native.poolDestroy(this.handle);
  }
}
