// SPDX-License-Identifier: BSD-3-Clause
// The typed contract of the addon; addon-file.ts loads it.
//
// Handles are small integers that stand for objects in the addon; they are valid in every worker thread of
// the process. A released handle stays invalid even if another object has taken its slot; 0 is never the
// handle of a ring object. Functions throw an Error with `.code` (an errno name) and `.syscall` when a system
// call fails, and a TypeError or RangeError on a programming error. File descriptors are plain numbers that
// the caller owns.
import { loadAddon } from './addon-file.ts';

export type MappingHandle = number & { readonly mapping: unique symbol };
export type MemoryHandle = number & { readonly memory: unique symbol };
export type QueueHandle = number & { readonly queue: unique symbol };
export type PoolHandle = number & { readonly pool: unique symbol };
export type VectorHandle = number & { readonly vector: unique symbol };
export type WaitSetHandle = number & { readonly waitSet: unique symbol };
export type TapQueueHandle = number & { readonly tapQueue: unique symbol };
export type DriverQueueHandle = number & { readonly driverQueue: unique symbol };

export interface ReceivedMessage {
  /** Bytes read; 0 if the other side closed the connection. */
  readonly bytes: number;
  /** Descriptors received with them, close-on-exec; the caller owns them. */
  readonly fds: number[];
  /** More descriptors arrived than `maxFds`; the surplus was closed. */
  readonly fdsTruncated: boolean;
}

/** Who may connect to a listening socket; omitted fields are left at the system's defaults. */
export interface SocketAccess {
  /** Permission bits, whatever the umask. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface FdWatcher {
  /** Stops watching; the descriptor stays open. Safe to call twice. */
  close(): void;
  /** Stops keeping the event loop alive. */
  unref(): void;
}

/**
 * A bounded output queue and the thread that writes it: calls never block on the descriptors, except flush().
 */
export interface OutputQueue {
  /** Queues a copy, written in the order of the calls; false (and nothing is queued) if there is no room. */
  put(fd: number, bytes: Uint8Array): boolean;
  /** Bytes not yet written. */
  pending(): number;
  /**
   * Blocks until all is written; gives up (false) if no byte was accepted for `stallMs`, or after `limitMs`.
   */
  flush(stallMs: number, limitMs: number): boolean;
  /**
   * The first failed write since the last call, and how many line ends were not written. That output is lost.
   */
  takeFailure(): {
    readonly fd: number;
    readonly error: SystemCallError;
    readonly lines: number;
  } | null;
}

/** A failed system call: the errno's name, and the call's. */
export interface SystemCallError extends Error {
  readonly code?: string;
  readonly syscall?: string;
}

export interface MemoryRegion {
  /** Guest-physical address of the first byte. */
  readonly gpa: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly mapping: MappingHandle;
  /** Byte offset of the region in the mapping. */
  readonly offset: number;
}

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

export interface TapOffloads {
  /** Checksums; the other offloads require it. */
  readonly csum: boolean;
  readonly tso4: boolean;
  readonly tso6: boolean;
  readonly ecn: boolean;
  readonly uso: boolean;
}

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

/** Order of the counters of a driver-role queue (BigUint64Array), see `driverQueueStats`. */
export const DRIVER_QUEUE_COUNTERS = [
  'packets',
  'bytes',
  'bad_checksum',
  'out_of_sequence',
  'bad_frame',
  'ring_errors',
  'kicks',
] as const;

export interface DriverQueueSetup {
  /** Mapping of the memory that holds ring and buffers. */
  readonly mapping: MappingHandle;
  /** Byte offsets of the ring's parts and of the buffers in the mapping. */
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  readonly buffers: number;
  /** Guest-physical address of the mapping's first byte, as sent to the back-end. */
  readonly gpa: bigint;
  readonly size: number;
  /** Bytes of each buffer, virtio-net header included. */
  readonly bufferSize: number;
  readonly features: bigint;
  /** Eventfd signalled when the back-end wants a kick; -1 for none. */
  readonly kickFd: number;
}

/** Where packets of a queue are copied to, and which. */
export interface CaptureSetup {
  readonly mapping: MappingHandle;
  /** Of the ring's head in the mapping, a multiple of the page size; zeroed. */
  readonly offset: number;
  /** Of the ring's data, which follow the head's page: a power of two. */
  readonly bytes: number;
  /** Most bytes of a packet. */
  readonly snaplen: number;
  /** Classic BPF; empty for all packets. */
  readonly filter: Uint8Array;
}

/** What became of the packets of a captured queue. */
export interface CaptureQueueCounts {
  readonly accepted: number;
  readonly filtered: number;
  /** The ring was full. */
  readonly dropped: number;
}

export interface Native {
  // --- os: memory ------------------------------------------------------------------------------------------
  /**
   * Anonymous file of `size` bytes, sealed against shrinking; with `hugepages`, of 2 MiB pages (ENOMEM if
   * short).
   */
  memfdCreate(name: string, size: number, hugepages: boolean): number;
  /** Maps `length` bytes of a file, shared. ERANGE if they do not lie inside the file. */
  mapFd(fd: number, offset: number, length: number, writable: boolean): MappingHandle;
  /**
   * One contiguous mapping of several file ranges, in order. Offsets and lengths are multiples of the page
   * size.
   */
  mapFileParts(
    parts: readonly { readonly fd: number; readonly offset: number; readonly length: number }[],
    writable: boolean,
  ): MappingHandle;
  /** Maps anonymous private memory; with `hugepages`, from hugepages if available (no error otherwise). */
  mapAnonymous(length: number, hugepages: boolean): MappingHandle;
  /**
   * True if anonymous memory or a pool was once mapped from hugepages, these were refused, and normal pages
   * replaced them.
   */
  hugepagesRefused(): boolean;
  /**
   * One ArrayBuffer per mapping and thread, cached; `unmap` detaches it in the thread that unmaps. RangeError
   * beyond 4 GiB, the limit of Node 20. Writing through a read-only mapping kills the process.
   */
  mappingBuffer(mapping: MappingHandle): ArrayBuffer;
  /** The same for window number `window` of 2 GiB, in a mapping of any size. */
  mappingWindow(mapping: MappingHandle, window: number): ArrayBuffer;
  /**
   * Unmaps. The caller ensures that no queue or other thread uses the mapping; memory of stuck queues stays
   * mapped.
   */
  unmap(mapping: MappingHandle): void;
  /**
   * True for a mapping of a file in memory that may have holes (tmpfs, memfd): a touch allocates the missing
   * page and charges it to this process, and it cannot be reclaimed.
   */
  mappingIsSparse(mapping: MappingHandle): boolean;
  /**
   * Limits the missing pages allocated through a sparse mapping to `bytes`; one more page, and the mapping is
   * lost: it turns into zeros. Call it before the mapping is used. Throws an errno if the kernel does not let
   * this process see such touches; there is no limit then.
   */
  limitHoles(mapping: MappingHandle, bytes: number): void;
  /**
   * Signals an eventfd when a file mapping is lost. The descriptor stays open as long as the mapping exists.
   */
  notifyLoss(mapping: MappingHandle, eventFd: number): void;
  /**
   * Why a file mapping turned into zeros ("shrunk": the file is now too short), and the bytes of missing
   * pages allocated, if limited.
   */
  mappingState(mapping: MappingHandle): { loss: 'none' | 'shrunk' | 'over-limit'; filled: number };
  /** Address of the first byte in this process, for system calls. */
  mappingAddress(mapping: MappingHandle): bigint;
  /**
   * Reads 1, 2 or 4 naturally aligned bytes in exactly one access: device registers. RangeError outside the
   * mapping.
   */
  mmioRead(mapping: MappingHandle, offset: number, width: number): number;
  mmioWrite(mapping: MappingHandle, offset: number, width: number, value: number): void;
  /** A 32-bit word shared with another process, in one sequentially consistent access. */
  atomicRead(mapping: MappingHandle, offset: number): number;
  atomicWrite(mapping: MappingHandle, offset: number, value: number): void;
  /**
   * Nanoseconds to read 8 bytes of each 64-byte line of a range (multiples of 64): the best of `rounds`
   * passes, which end early after about 50 ms. A few for cached memory, hundreds for uncached memory.
   */
  readLatency(mapping: MappingHandle, offset: number, length: number, rounds: number): number;
  /** True if two ranges (multiples of 8) hold the same bytes now. */
  mappingEquals(
    a: MappingHandle,
    aOffset: number,
    b: MappingHandle,
    bOffset: number,
    length: number,
  ): boolean;

  // --- os: sockets, events ---------------------------------------------------------------------------------
  /**
   * Unix stream socket, listening, non-blocking, close-on-exec. A stale socket file is replaced, a live one
   * is EADDRINUSE. No client can connect before the file has its mode and owner. With `messages`, a socket of
   * type SOCK_SEQPACKET, whose messages keep their bounds.
   */
  unixListen(path: string, access?: SocketAccess, messages?: boolean): number;
  /** Numeric ids of names; -1 for an unknown name. */
  userId(name: string): number;
  groupId(name: string): number;
  /** Connected unix socket of a type as in unixListen, non-blocking, close-on-exec. */
  unixConnect(path: string, messages?: boolean): number;
  /** A connected pair, non-blocking; for tests. */
  socketPair(): [number, number];
  /** The next connection, non-blocking; -1 if there is none. */
  unixAccept(fd: number): number;
  /** The path to which the other end of a connection is bound, whatever name led there; '' for none. */
  unixPeerPath(fd: number): string;
  /**
   * Shuts a connection down in both directions before close(): the other side reads end-of-file, never a
   * reset.
   */
  unixShutdown(fd: number): void;
  /**
   * Sends bytes and descriptors in one sendmsg. Returns the bytes accepted, 0 if the socket is full (nothing
   * was sent). Descriptors travel with the first byte. Throws EPIPE, never raises SIGPIPE.
   */
  sendMessage(fd: number, data: Uint8Array, fds: readonly number[]): number;
  /** Receives up to `into.length` bytes and `maxFds` descriptors; null if nothing has arrived yet. */
  receiveMessage(fd: number, into: Uint8Array, maxFds: number): ReceivedMessage | null;
  /** Waits until `fd` is readable (or writable); false on timeout. For the synchronous control path only. */
  pollFd(fd: number, events: 'in' | 'out', timeoutMs: number): boolean;
  /**
   * True if SIGINT, SIGTERM or SIGHUP has arrived and this thread's event loop has yet to call its listener.
   * Never blocks.
   */
  endSignalWaits(): boolean;
  /**
   * Opens the terminal at `fd` again, with a non-blocking file description of its own for writing: no thread
   * sleeps while it holds the terminal's lock. -1 if `fd` is not a terminal, or cannot be reopened.
   */
  openTerminal(fd: number): number;
  /**
   * False while another job of the shell owns the terminal at `fd`: reading would stop this process; its mode
   * is kept.
   */
  isForeground(fd: number): boolean;
  /**
   * Raw mode, or the mode before the first call. Unlike tty.ReadStream's setRawMode, does not wait for
   * pending output.
   */
  setTerminalRaw(fd: number, on: boolean): void;
  /** Whether ^C at a terminal in raw mode is SIGINT or a character. Does not wait for pending output. */
  setTerminalInterrupt(fd: number, on: boolean): void;
  /** True if the other end of a connection is closed, even with data left to read. Never blocks. */
  isHungUp(fd: number): boolean;
  /**
   * Calls back on the event loop while `fd` is readable (level-triggered; hang-up counts). Keeps the loop
   * alive.
   */
  watchFd(fd: number, onReadable: () => void): FdWatcher;
  /** Non-blocking eventfd, close-on-exec. */
  eventfd(): number;
  /**
   * True if `fd` is an eventfd: check every descriptor that a peer passes as one, before signalling or
   * watching it.
   */
  isEventfd(fd: number): boolean;
  /**
   * Adds 1; a full counter stays full. False if `fd` is not an eventfd. Never throws for a bad peer's
   * descriptor, and never blocks, whatever other holders do with its flags and its counter
   * (addon/ring/signal.h).
   */
  eventfdSignal(fd: number): boolean;
  /** Reads and clears; 0n if nothing was pending. */
  eventfdDrain(fd: number): bigint;
  /**
   * A set of descriptors to sleep on; it holds duplicates. At most 1024 descriptors, and 256 sets per
   * process.
   */
  waitSetCreate(fds: readonly number[]): WaitSetHandle;
  /**
   * HOT, and blocks the thread. Returns when a descriptor of the set is readable, on timeout (-1: none), or
   * early without a descriptor: the thread's event loop has work, or the thread is to be terminated. Eventfds
   * are drained. Writes the positions of the readable descriptors into `ready` and returns their number.
   */
  waitSetWait(set: WaitSetHandle, timeoutMs: number, ready: Uint32Array): number;
  /** Frees a set on which no thread waits. */
  waitSetDestroy(set: WaitSetHandle): void;
  /** Starts an output queue of `capacity` bytes; signals the eventfd `failedFd` when a write fails. */
  writerStart(capacity: number, failedFd: number): OutputQueue;
  close(fd: number): void;
  /**
   * ioctl(2), for bus/ioctl.ts. The argument is a structure that the call may change, at least as large as
   * `request` says, or a number of 0 or more. Returns the call's result.
   */
  ioctl(fd: number, request: number, argument: Uint8Array | number): number;
  /**
   * Closes a descriptor that another party made, and never hangs: a file system that does not respond blocks
   * a thread made for the purpose. Beyond 64 such threads, descriptors wait for one of them.
   */
  closeForeign(fd: number): void;
  /**
   * File system of a descriptor that another party made, determined without a request to that file system:
   * "tmpfs" (memfds too), "hugetlbfs", another name of /proc/mounts, or "" if it is in no mount that this
   * process sees.
   */
  fileSystem(fd: number): string;
  dup(fd: number): number;
  /** `regular` is true for a regular file or memfd; with its size and identity. */
  fileInfo(fd: number): {
    readonly regular: boolean;
    readonly size: number;
    readonly device: bigint;
    readonly inode: bigint;
  };
  /**
   * Locks a range of bytes for writing, for as long as this open file lives; false if another one holds a
   * lock there. Advisory (fcntl(2), F_OFD_SETLK).
   */
  lockFile(fd: number, offset: number, length: number): boolean;
  /** Block size of the file system: the hugepage size for hugetlb files. */
  filePageSize(fd: number): number;

  // --- os: tap interfaces ----------------------------------------------------------------------------------
  /**
   * Opens one more queue of the tap interface `name`, and creates the interface if it does not exist (a %d in
   * the name becomes a free number). Returns a non-blocking descriptor, and the interface's name. Frames have
   * a virtio-net header of 12 bytes.
   */
  tapOpen(name: string, multiQueue: boolean): { readonly fd: number; readonly name: string };
  /**
   * Which offloads the kernel may leave to us in the frames that it sends. EINVAL for `uso` before Linux 6.2.
   */
  tapSetOffloads(fd: number, offloads: TapOffloads): void;
  /** Sets whether the interface outlives its last descriptor. */
  tapSetPersist(fd: number, persist: boolean): void;
  tapGetMac(fd: number): Uint8Array;
  tapSetMac(fd: number, mac: Uint8Array): void;
  /** The interface's current name, in any network namespace; EBADFD if it was deleted. */
  tapName(fd: number): string;
  /** For an interface of this network namespace; ENODEV if it does not exist. */
  interfaceMtu(name: string): number;
  interfaceSetMtu(name: string, mtu: number): void;
  interfaceIsUp(name: string): boolean;
  interfaceSetUp(name: string, up: boolean): void;

  // --- os: packet sockets ----------------------------------------------------------------------------------
  /**
   * A socket for whole frames from and to an interface, which it makes promiscuous; the caller owns it. EPERM
   * without CAP_NET_RAW, ENODEV, EPROTOTYPE if the frames are not of Ethernet.
   */
  packetOpen(name: string, onlyIncoming: boolean): { readonly fd: number; readonly mac: Uint8Array };
  /**
   * HOT. The next frame, at the start of `into` (64 KiB and more); its length, 0 for none, negative for an
   * error.
   */
  packetReceive(fd: number, into: Uint8Array): number;
  /** HOT. Sends the first `length` bytes; false if the kernel does not take them. */
  packetSend(fd: number, frame: Uint8Array, length: number): boolean;
  /** Frames that the kernel dropped since the last call, because the socket was full. */
  packetDropped(fd: number): number;
  /** The state of the socket's interface: "gone" (deleted, or in another network namespace) is for good. */
  packetLink(fd: number): 'up' | 'down' | 'no carrier' | 'gone';
  /** A descriptor that is readable when an interface of this namespace has changed; the caller owns it. */
  linkEventsOpen(): number;
  /** Takes what has come: what an interface is now is to be asked anew. */
  linkEventsDrain(fd: number): void;

  // --- os: threads and time --------------------------------------------------------------------------------
  /** Pins the calling thread. */
  setAffinity(cpus: readonly number[]): void;
  /**
   * Pins all existing threads of the process, V8's included; new threads inherit the affinity of their
   * creator.
   */
  setAffinityOfAll(cpus: readonly number[]): void;
  /** CPUs that the calling thread may run on. */
  getAffinity(): number[];
  /** Ends the process at once, whatever its threads are doing. */
  exitNow(code: number): never;
  /** Names the calling thread (15 bytes). */
  setThreadName(name: string): void;
  /** Time-stamp counter, as a double: exact up to 2^53. */
  rdtsc(): number;
  tscHz(): number;
  /**
   * HOT. Cycles since this thread's last call of tscLap, at most 2^31 - 1. Allocates nothing, unlike rdtsc.
   */
  tscLap(): number;
  /** HOT. Some nanoseconds of the time-stamp counter a tick, modulo 2^31. Allocates nothing, unlike rdtsc. */
  tscTick(): number;
  /** Ticks of tscTick per second. */
  tscTickHz(): number;

  // --- ring: guest memory ----------------------------------------------------------------------------------
  /**
   * An immutable table. Regions must not overlap and must lie inside their mappings. EACCES for a read-only
   * mapping.
   */
  memoryCreate(regions: readonly MemoryRegion[]): MemoryHandle;
  /** Frees the table as soon as no stuck queue uses it. EBUSY if a running queue uses it. */
  memoryDestroy(memory: MemoryHandle): void;

  // --- ring: mbuf pools ------------------------------------------------------------------------------------
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

  // --- ring: device role (the exotic rings) ----------------------------------------------------------------
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

  // --- ring: device role for messages (control queues of the device model) ---------------------------------
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

  // --- ring: tap interfaces --------------------------------------------------------------------------------
  /** A queue slot, stopped. 'rx' receives from the kernel, 'tx' sends to it. */
  tapQueueCreate(role: 'rx' | 'tx'): TapQueueHandle;
  /**
   * Attaches the slot to a descriptor of `tapOpen`, which the caller still owns. `cutsUdp`: the kernel
   * segments datagrams; otherwise the queue does.
   */
  tapQueueStart(queue: TapQueueHandle, fd: number, cutsUdp: boolean): void;
  /** Waits until no thread runs a burst; the descriptor is not touched afterwards. Idempotent. */
  tapQueueStop(queue: TapQueueHandle): void;
  /** As `queueStats`. */
  tapQueueStats(queue: TapQueueHandle): ArrayBuffer;
  tapQueueDestroy(queue: TapQueueHandle): void;
  /** HOT. As `rxBurst` and `txBurst`. */
  tapRxBurst(queue: TapQueueHandle, vector: VectorHandle, n: number): number;
  tapTxBurst(queue: TapQueueHandle, vector: VectorHandle, from: number, to: number): number;

  // --- captures --------------------------------------------------------------------------------------------
  /**
   * Compiles an expression of pcap-filter(7) for Ethernet by the system's libpcap: struct bpf_insn after
   * struct bpf_insn, and a line of text for each. Throws ENOENT if there is no libpcap, EINVAL with libpcap's
   * words for a bad expression.
   */
  compileFilter(expression: string, snaplen: number): { code: Uint8Array; lines: string[] };
  /** Uint32Array: not 0 while the point of that number is captured; the last is always 0. */
  captureWords(): ArrayBuffer;
  /**
   * From now on, packets of the point go to a ring in the mapping (src/pdump/ring.ts), which must stay until
   * captureEnd has returned counts. Throws ERANGE, EBUSY, and EINVAL for a filter that is no valid program.
   */
  captureBegin(point: number, setup: CaptureSetup): void;
  /** Ends it; null while a thread is still at it: call again. */
  captureEnd(point: number): CaptureQueueCounts | null;
  captureCounts(point: number): CaptureQueueCounts;
  /** HOT. Copies of vector[0..n), which has been received. */
  captureReceived(point: number, vector: VectorHandle, n: number): void;
  /** HOT. Before a burst that sends vector[from..to), and after it took `n` of them. */
  captureSending(point: number, vector: VectorHandle, from: number, to: number): void;
  captureSent(point: number, n: number): void;

  // --- ring: driver role (the built-in peer) ---------------------------------------------------------------
  /** 'rx' posts all of its buffers at once; 'tx' starts empty. */
  driverQueueCreate(role: 'rx' | 'tx', setup: DriverQueueSetup): DriverQueueHandle;
  driverQueueDestroy(queue: DriverQueueHandle): void;
  driverQueueStats(queue: DriverQueueHandle): ArrayBuffer;
  /**
   * Template of the frames that `driverGenerate` sends: bytes 0..length, without sequence number and
   * checksum.
   */
  driverTemplate(queue: DriverQueueHandle, frame: Uint8Array): void;
  /** HOT. Reclaims, then sends up to `n` generated frames; returns how many. */
  driverGenerate(tx: DriverQueueHandle, n: number): number;
  /**
   * HOT. Takes up to `n` received frames, with `check` verifies sequence and checksum, reposts the buffers;
   * returns how many.
   */
  driverReceive(rx: DriverQueueHandle, n: number, check: boolean): number;
  /**
   * Results of `driverReceiveTimed`, a Float64Array for the calling thread: the time-stamp counter after the
   * last call, then the sequence numbers of the frames that it took, -1 for a frame too short to have one.
   */
  driverArrivals(rx: DriverQueueHandle): ArrayBuffer;
  /**
   * HOT. As `driverReceive`, at most 512 frames, and fills driverArrivals; the time even if nothing arrived.
   */
  driverReceiveTimed(rx: DriverQueueHandle, n: number, check: boolean): number;
  /** HOT. Sends up to `n` received frames back with source and destination MAC swapped; returns how many. */
  driverEcho(rx: DriverQueueHandle, tx: DriverQueueHandle, n: number): number;

  // --- checks ----------------------------------------------------------------------------------------------
  /**
   * sizeof and offsetof of every C++ layout, e.g. {"vring_desc": 16, "vring_desc.addr": 0}; a test compares
   * them with src/abi.
   */
  layouts(): Record<string, number>;
}

/** Ends a chain of segments. */
export const NO_NEXT = 0xffff_ffff;

export const native = loadAddon() as Native;
