// SPDX-License-Identifier: BSD-3-Clause
// The device role of a ring: data queues over a peer's memory or over sections, and control queues.
import type { MappingHandle, MemoryHandle, QueueHandle, VectorHandle } from './handles.ts';

/**
 * The driver area of a local data queue. It begins with words that outlive this process (docs/device-abi.md,
 * "Position words", "Gate words"): 6 bytes at a multiple of 4, or 192 at a multiple of 64 if it is `gated`.
 */
export interface DriverArea {
  readonly mapping: MappingHandle;
  readonly offset: number;
  /** The gate words state which generation of the ring the driver may work on. */
  readonly gated: boolean;
}

/**
 * Where a ring lies (guest-physical) and how to work it; `features` determine whether it is split or packed.
 */
export interface RingSetup {
  readonly memory: MemoryHandle;
  /** Descriptor, driver and device area. */
  readonly desc: bigint;
  readonly avail: bigint;
  readonly used: bigint;
  /** Entries, 1 to 32768; a power of two for a split ring. */
  readonly size: number;
  /**
   * Index of the next available entry to take; for a packed ring its slot and, in bit 15, the wrap counter.
   */
  readonly lastAvailIdx: number;
  /** Negotiated features; bits above 63 do not concern rings and are ignored. */
  readonly features: bigint;
  /** Eventfd signalled when the peer wants a notification; -1 for none. */
  readonly notifyFd: number;
  /**
   * True for a queue that waits for the driver's kick. By default, the queue is polled and asks the driver
   * not to kick.
   */
  readonly wantKicks?: boolean;
  /** The words that belong to the ring, and the `serial` of its generation. */
  readonly words?: DriverArea & { readonly serial: number };
}

/**
 * A pair of rings in two sections (docs/device-abi.md, "RFC 2.1"): an output section that only its sender
 * writes, with descriptors, available ring and data for one direction and the used ring of the other.
 */
export interface SectionSetup {
  /** The part of our section for this queue pair: written here. */
  readonly own: { readonly mapping: MappingHandle; readonly offset: number };
  /** The part of the peer's section: only read here; it may be mapped read-only. */
  readonly peer: { readonly mapping: MappingHandle; readonly offset: number };
  /** Bytes of each part; the rings are laid out for it. */
  readonly size: number;
  /** Entries of each ring: 32 to 4096, a power of two. */
  readonly entries: number;
  /** Byte offset of the used ring in either part, and of the data behind the rings. */
  readonly usedOffset: number;
  readonly dataOffset: number;
  /** Bytes of virtio-net header before each frame: 0 or 12. */
  readonly headerBytes: number;
  /** Largest frame to send, Ethernet header included. */
  readonly maxFrame: number;
  /** Features of packets, as in RingSetup: offloads count with a header only. */
  readonly features: bigint;
  /** Eventfd that signals the peer; -1 for none. */
  readonly notifyFd: number;
}

/** Order of the counters in a queue's statistics (BigUint64Array). */
export const QUEUE_COUNTERS = [
  'good_packets',
  'good_bytes',
  'errors',
  'multicast_packets',
  'broadcast_packets',
  'undersize_packets',
  'size_64_packets',
  'size_65_127_packets',
  'size_128_255_packets',
  'size_256_511_packets',
  'size_512_1023_packets',
  'size_1024_1518_packets',
  'size_1519_max_packets',
  'mbuf_alloc_failed',
  'guest_notifications',
  'guest_notifications_suppressed',
  'invalid_desc',
  'bursts',
  'empty_bursts',
  'rarp_packets',
  'undersize_errors',
  'oversize_errors',
  'invalid_buffers',
] as const;

/** The arrays of queueSlots: offset of a packet in its window, capacity in bytes, length in bytes. */
export const IN_PLACE_FIELDS = ['offset', 'room', 'length'] as const;

/** Maximum number of packets worked on in place at a time. */
export const IN_PLACE_MAX = 64;

/** Ring states that `queueState` returns. */
export const QUEUE_STOPPED = 0;

export const QUEUE_RUNNING = 1;

/** The peer violated the virtqueue rules; only a new `queueStart` revives the queue. */
export const QUEUE_BROKEN = 2;

/** Returned by queueQuiesce for a queue that it gave up on. */
export const QUEUE_STUCK = -1;

export interface QueueCalls {
  /** A queue slot, stopped. 'rx' empties the peer's TX ring, 'tx' fills the peer's RX ring. */
  queueCreate(role: 'rx' | 'tx'): QueueHandle;
  /**
   * Attaches the slot to a ring of the peer. Throws ERANGE if a part of the ring lies outside the memory,
   * EINVAL on a bad size, EBUSY if the queue is running or stuck.
   */
  queueStart(queue: QueueHandle, setup: RingSetup): void;
  /**
   * Attaches the slot to a ring of a section instead: an 'rx' queue drains the ring in the peer's section, a
   * 'tx' queue owns the one in ours. Both begin at index 0, with a section that its owner has zeroed. All
   * functions below take such a queue, queueAnnounce and txRepeat too. Throws ERANGE, EINVAL, EBUSY.
   */
  queueStartSection(queue: QueueHandle, setup: SectionSetup): void;
  /**
   * Stops the queue and waits up to `patienceMs` (default 1000) until no thread runs a burst on it. Returns
   * the index of the next available entry that was not taken. Idempotent. QUEUE_STUCK if a burst does not
   * return: the memory that it may touch (the memory table, its mappings, the words) is kept until it does,
   * even if released, and later calls do not wait.
   */
  queueQuiesce(queue: QueueHandle, patienceMs?: number): number;
  queueState(queue: QueueHandle): number;
  /**
   * The next `rxBurst` of a running queue first delivers a RARP broadcast of this MAC address (6 bytes); null
   * cancels a pending one.
   */
  queueAnnounce(queue: QueueHandle, mac: Uint8Array | null): void;
  /**
   * Live counters in the order of QUEUE_COUNTERS: BigUint64Array over the addon's memory, for the calling
   * thread.
   */
  queueStats(queue: QueueHandle): ArrayBuffer;
  /**
   * Quiesces and frees the slot (never reused if the queue is stuck); detaches this thread's view of the
   * counters.
   */
  queueDestroy(queue: QueueHandle): void;
  /**
   * HOT. Asks the peer to kick when it makes the next entry available. True if nothing is pending, so that
   * the caller may sleep (also if the queue does not run: the thread that starts it wakes the sleeper); false
   * if there is work, and then nothing is armed.
   */
  queueArm(queue: QueueHandle): boolean;
  /** HOT. Asks the peer to stop kicking. */
  queueDisarm(queue: QueueHandle): void;
  /** HOT. Receives up to `n` packets into vector[0..), returns how many. */
  rxBurst(queue: QueueHandle, vector: VectorHandle, n: number): number;
  /**
   * HOT. Sends vector[from..to); frees the packets accepted and returns their number (in order from `from`).
   */
  txBurst(queue: QueueHandle, vector: VectorHandle, from: number, to: number): number;
  /**
   * Where packets lie in the peer's memory (for txReserve of a section: in ours), consecutive Uint32Arrays of
   * IN_PLACE_MAX entries, in the order of IN_PLACE_FIELDS, then the mapping and its 2 GiB window that all of
   * them lie in; for the calling thread.
   */
  queueSlots(queue: QueueHandle): ArrayBuffer;
  /**
   * HOT. Reserves up to `n` receive buffers of the peer, described in queueSlots; returns how many. In a
   * section it is room for frames of 2 KiB at least, for the largest if `n` is small. Until txCommit, the
   * queue cannot be stopped.
   */
  txReserve(queue: QueueHandle, n: number): number;
  /**
   * HOT. Sends the first `n` reserved buffers with the lengths in queueSlots, releases the rest; returns how
   * many were sent.
   */
  txCommit(queue: QueueHandle, n: number): number;
  /**
   * HOT. Sends up to `n` packets of `length` bytes in place, each beginning with the contents of packet
   * vector[0]; -1 if the next one needs txBurst.
   */
  txRepeat(queue: QueueHandle, vector: VectorHandle, length: number, n: number): number;
  /**
   * HOT. Shows up to `n` packets in the peer's buffers; returns how many. Until rxRelease, the queue cannot
   * be stopped.
   */
  rxPeek(queue: QueueHandle, n: number): number;
  /** HOT. Gives the first `n` shown packets back to the peer, releases the rest; returns how many. */
  rxRelease(queue: QueueHandle, n: number): number;
  /** HOT. Moves up to `n` packets from ring to ring; -1 if the next one needs rxBurst and txBurst. */
  relayBurst(rx: QueueHandle, tx: QueueHandle, n: number): number;
  /** HOT. relayBurst of packets that leave with other addresses: a frame's first three words. */
  relayMacBurst(rx: QueueHandle, tx: QueueHandle, n: number, w0: number, w1: number, w2: number): number;
  /**
   * HOT, benchmarks only: returns up to `n` available descriptors untouched (used length `length`); returns
   * how many.
   */
  returnBurst(queue: QueueHandle, n: number, length: number): number;
  /**
   * HOT, benchmarks only: returnBurst that reads sent buffers, or writes header and zeros into receive
   * buffers.
   */
  touchBurst(queue: QueueHandle, n: number, length: number): number;
  /**
   * HOT, benchmarks only: returns up to `n` descriptors of the peer's TX ring and as many of its RX ring
   * (used length `length`), untouched; returns how many of each.
   */
  returnAcross(rx: QueueHandle, tx: QueueHandle, n: number, length: number): number;
  /** HOT, benchmarks only: returnAcross that copies each sent frame into the receive buffer. */
  touchAcross(rx: QueueHandle, tx: QueueHandle, n: number, length: number): number;
  /**
   * Takes the next chain: its head and its segments. The addresses are unchecked: they need not lie in the
   * queue's memory. Null if there is none. Throws EPROTO if the ring violates the rules. The queue is one of
   * `queueCreate`.
   */
  chainTake(queue: QueueHandle): {
    readonly head: number;
    readonly segments: readonly {
      readonly address: bigint;
      /** At least 1. */
      readonly bytes: number;
      readonly writable: boolean;
    }[];
  } | null;
  /** Returns a chain with `written` bytes; true if the driver wants an interrupt. */
  chainReturn(queue: QueueHandle, head: number, written: number): boolean;
}
