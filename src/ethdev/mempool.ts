// SPDX-License-Identifier: BSD-3-Clause
// mbufs are numbers; their fields are in typed arrays over the pool's memory. Nothing here allocates after
// set-up.
import { argumentError, requireInteger, requireOptions } from '../arguments.ts';
import { failedTo, PmdError } from '../errors.ts';
import { requireMemory } from '../machine-memory.ts';
import { NO_NEXT, native, type PoolHandle, type VectorHandle } from '../native.ts';
import { warnOnce } from '../warnings.ts';

/** Bytes before a packet's first byte in a new mbuf, unless the pool has others. */
export const MBUF_DEFAULT_HEADROOM = 128;
/** Bytes of packet data that an mbuf holds, unless the pool has others. */
export const MBUF_DEFAULT_DATA_ROOM = 2048;

// Bits of `olFlags`: work left to a later stage; the same as in addon/packet/mbuf_pool.h.
/** Of `olFlags` of a received packet: its checksums are known to be good (DPDK: RX_L4_CKSUM_GOOD). */
export const MBUF_F_CSUM_VALID = 1;
/**
 * Of `olFlags`: the checksum from `csumStart` to the end must be stored at `csumStart + csumOffset`, which
 * holds the pseudo-header's sum.
 */
export const MBUF_F_NEEDS_CSUM = 2;
/** Of `olFlags`, with MBUF_F_NEEDS_CSUM: TCP over IPv4, to be cut into segments of `gsoSize` bytes. */
export const MBUF_F_TSO4 = 4;
/** Of `olFlags`, with MBUF_F_NEEDS_CSUM: TCP over IPv6, to be cut into segments of `gsoSize` bytes. */
export const MBUF_F_TSO6 = 8;
/** Of `olFlags`, with MBUF_F_NEEDS_CSUM: UDP, to be split into datagrams of `gsoSize` bytes each. */
export const MBUF_F_USO = 16;
/** Of `olFlags`, with TSO: the segments carry ECN congestion marks. */
export const MBUF_F_ECN = 32;

/** In `next`: this segment is the last of its packet. */
export const MBUF_NO_NEXT = NO_NEXT;

/** What {@link Mempool} and `createPool()` take. Anything out of range is VPCI_ARGUMENT. */
export interface MempoolOptions {
  /** Number of mbufs, 1 to 2^20; default 8192. */
  readonly count?: number;
  /** Bytes of packet data per mbuf, 64 to 65472 - headroom, rounded up to a multiple of 64; default 2048. */
  readonly dataRoom?: number;
  /** Bytes before the data, a multiple of 64 up to 1024; default 128. */
  readonly headroom?: number;
  /** Try hugepages first; default true. */
  readonly hugepages?: boolean;
}

/**
 * A burst of packets: up to `capacity` mbuf numbers in memory that the ring engine shares. Made by
 * {@link Mempool.vector}; for the thread of its pool.
 *
 * @example
 * const pkts = pool.vector(32);
 * for (let i = 0, n = rx.burst(pkts, 32); i < n; i++) handle(pkts.ids[i]);
 */
export class MbufVector {
  /** The pool that these mbufs belong to. */
  readonly pool: Mempool;
  /** @internal */
  readonly handle: VectorHandle;
  /**
   * The mbufs' numbers, each below the pool's `count`; `capacity` entries, which the application may move.
   */
  readonly ids: Uint32Array;
  /** Length of `ids`: the most packets that a burst takes or gives. */
  readonly capacity: number;

  /** @internal */
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

/**
 * A pool of mbufs for one thread. An mbuf is a number from 0 to `count - 1`; its fields are in the typed
 * arrays below, at that index. Packets of several segments are chained by `next`.
 *
 * @example
 * const pool = lcore.createPool({ count: 4096 });
 * const bytes = pool.bytes.subarray(m * pool.stride + pool.dataOff[m]).subarray(0, pool.dataLen[m]);
 */
export class Mempool {
  /** @internal */
  readonly handle: PoolHandle;
  /** Number of mbufs. */
  readonly count: number;
  /** Bytes from one mbuf's buffer to the next: headroom and data room. */
  readonly stride: number;
  /** Bytes before the data of a new mbuf. */
  readonly headroom: number;
  /** Bytes of data that one mbuf holds, after its headroom; see {@link MempoolOptions.dataRoom}. */
  readonly dataRoom: number;
  /** All packet data: mbuf m starts at `m * stride`, its packet at `m * stride + dataOff[m]`. */
  readonly bytes: Uint8Array;
  /** The same memory as 32-bit words (stride and headroom are multiples of 64). */
  readonly words: Uint32Array;
  /** Bytes from the start of an mbuf's buffer to its data; `alloc` sets the headroom. */
  readonly dataOff: Uint16Array;
  /** Bytes of data in this mbuf, of a packet with one or several. */
  readonly dataLen: Uint16Array;
  /** Bytes of the whole packet, 14 to 65550 to be sent; valid in its first mbuf. */
  readonly pktLen: Uint32Array;
  /** The next mbuf of the same packet, or {@link MBUF_NO_NEXT}. */
  readonly next: Uint32Array;
  /**
   * Offload metadata of a packet, in its first segment; offsets count from the packet's first byte. The
   * creator of a packet sets `olFlags` (`alloc` clears it); the other fields are meaningful only with a flag
   * that refers to them.
   */
  readonly olFlags: Uint16Array;
  /** With MBUF_F_NEEDS_CSUM: the checksum covers the bytes from here to the packet's end. */
  readonly csumStart: Uint16Array;
  /** With MBUF_F_NEEDS_CSUM: bytes from `csumStart` to where the 16-bit checksum is stored. */
  readonly csumOffset: Uint16Array;
  /** With a TSO flag or MBUF_F_USO: bytes of payload per segment or datagram. */
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
   * Creates a vector of `capacity` mbufs, 1 to 32768. A pool has at most 1024 vectors (ENOSPC), which are
   * freed with it. Throws VPCI_ARGUMENT, or VPCI_CLOSED after close().
   */
  vector(capacity: number): MbufVector {
    requireInteger('vector()', 'capacity', capacity, 1, MAX_VECTOR);
    if (this.#closed) throw new PmdError('VPCI_CLOSED', 'Failed to call vector(): the pool is closed');
    const handle = created(`another vector of ${capacity} mbufs`, () =>
      native.vectorCreate(this.handle, capacity),
    );
    return new MbufVector(this, handle, new Uint32Array(this.#buffer, native.vectorOffset(handle), capacity));
  }

  /**
   * HOT. Allocates `n` mbufs, at most `pkts.capacity`, into `pkts.ids[0..n)`: all or none. Returns their
   * number. Each is a packet of `length` bytes, 0 to dataRoom, of which none is written; with a larger length
   * none is allocated.
   */
  alloc(pkts: MbufVector, n: number, length = 0): number {
    return native.poolAlloc(pkts.handle, n, length);
  }

  /** HOT. Returns the packets `pkts.ids[from..to)`, with all their mbufs, to the pool. */
  free(pkts: MbufVector, from: number, to: number): void {
    native.poolFree(pkts.handle, from, to);
  }

  /** Number of mbufs free now; 0 once the pool is closed. */
  get available(): number {
    return this.#closed ? 0 : native.poolAvailable(this.handle);
  }

  /** Frees the memory; vectors and views of this pool must not be used afterwards. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native.poolDestroy(this.handle);
  }
}
