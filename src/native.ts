// SPDX-License-Identifier: BSD-3-Clause
// The typed contract of the addon, and the only importer of the .node file.
//
// Handles are small integers that stand for objects in the addon; they are valid in every worker thread of the process. One that
// was given back names nothing, also when another object has taken its place; 0 never names a ring object.
// Functions throw an Error with `.code` (an errno name) and `.syscall` when a system call fails, a TypeError or
// RangeError on a programmer's mistake. File descriptors are plain numbers that the caller owns.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type MappingHandle = number & { readonly mapping: unique symbol };
export type MemoryHandle = number & { readonly memory: unique symbol };
export type QueueHandle = number & { readonly queue: unique symbol };
export type PoolHandle = number & { readonly pool: unique symbol };
export type VectorHandle = number & { readonly vector: unique symbol };
export type WaitSetHandle = number & { readonly waitSet: unique symbol };
export type TapQueueHandle = number & { readonly tapQueue: unique symbol };
export type DriverQueueHandle = number & { readonly driverQueue: unique symbol };

export interface ReceivedMessage {
  /** Bytes read; 0 means that the other side closed. */
  readonly bytes: number;
  /** Descriptors that came with them, close-on-exec; the caller owns them. */
  readonly fds: number[];
  /** More descriptors came than `maxFds`; the surplus was closed. */
  readonly fdsTruncated: boolean;
}

/** Who may connect to a listening socket; what is left out is as the system makes it. */
export interface SocketAccess {
  /** Permission bits, whatever the umask. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface FdWatcher {
  /** Stops watching; the descriptor stays open. Safe to call twice. */
  close(): void;
  /** Does not keep the event loop alive any more. */
  unref(): void;
}

/** A bounded queue of output and the thread that writes it: no call of it blocks on the descriptors. */
export interface OutputQueue {
  /** Queues a copy, written in the order of the calls; false, and nothing is queued, when there is no room. */
  put(fd: number, bytes: Uint8Array): boolean;
  /** Bytes that are not written yet. */
  pending(): number;
  /** Blocks until all is written; gives up (false) when no byte was taken for `stallMs`, or after `limitMs`. */
  flush(stallMs: number, limitMs: number): boolean;
  /** The first failed write since the last call, and the ends of lines that were not written. What could not be written is gone. */
  takeFailure(): {
    readonly fd: number;
    readonly error: NodeJS.ErrnoException;
    readonly lines: number;
  } | null;
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
 * The driver area of a local data queue, whose head holds words that outlive this process (docs/device-abi.md, "Position words",
 * "Gate words"): 6 bytes at a multiple of 4, or 192 at a multiple of 64 when it is `gated`.
 */
export interface DriverArea {
  readonly mapping: MappingHandle;
  readonly offset: number;
  /** The device says there which handing out of the ring may be worked on. */
  readonly gated: boolean;
}

/** Where a ring lies (guest-physical) and how to work it; `features` say whether it is a split or a packed one. */
export interface RingSetup {
  readonly memory: MemoryHandle;
  /** Descriptor, driver and device area. */
  readonly desc: bigint;
  readonly avail: bigint;
  readonly used: bigint;
  /** Entries, 1 to 32768; of a split ring a power of two. */
  readonly size: number;
  /** Index of the next available entry to take; of a packed ring its slot and, in bit 15, the wrap counter. */
  readonly lastAvailIdx: number;
  /** Negotiated features; bits above 63 mean nothing to a ring and are ignored. */
  readonly features: bigint;
  /** Eventfd that is written when the peer wants a notification; -1 for none. */
  readonly notifyFd: number;
  /** True for a queue that waits for the driver's kick; left out, the queue is polled and the driver is asked not to kick. */
  readonly wantKicks?: boolean;
  /** The words that go with the ring, and the `serial` under which it was handed out. */
  readonly words?: DriverArea & { readonly serial: number };
}

export interface TapOffloads {
  /** Checksums; without it there can be none of the others. */
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
  /** Uint16Array(count) each, valid in a packet's first segment: MBUF_F_* of src/ethdev/mempool.ts, and what they speak of. */
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

/** The arrays of queueSlots: where a packet starts in its window, its most bytes, its bytes. */
export const IN_PLACE_FIELDS = ['offset', 'room', 'length'] as const;
/** Packets that are worked on in place at a time. */
export const IN_PLACE_MAX = 64;

/** Ring states, as `queueState` tells them. */
export const QUEUE_STOPPED = 0;
export const QUEUE_RUNNING = 1;
/** The peer broke the rules; nothing but a new `queueStart` wakes the queue. */
export const QUEUE_BROKEN = 2;

/** What queueQuiesce returns for a queue that it gave up on. */
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
  /** Guest-physical address of the mapping's first byte, as told to the back-end. */
  readonly gpa: bigint;
  readonly size: number;
  /** Bytes of each buffer, virtio-net header included. */
  readonly bufferSize: number;
  readonly features: bigint;
  /** Eventfd written when the back-end wants a kick; -1 for none. */
  readonly kickFd: number;
}

export interface Native {
  // --- os: memory ---------------------------------------------------------------------------------------------------
  /** Anonymous file of `size` bytes; with `hugepages`, of 2 MiB pages, else ENOMEM. Sealed against shrinking. */
  memfdCreate(name: string, size: number, hugepages: boolean): number;
  /** Maps `length` bytes of a file, shared. ERANGE when they do not lie inside the file. */
  mapFd(fd: number, offset: number, length: number, writable: boolean): MappingHandle;
  /** One mapping of several ranges of files, each behind the one before. Offsets and lengths are multiples of the page size. */
  mapFileParts(
    parts: readonly { readonly fd: number; readonly offset: number; readonly length: number }[],
    writable: boolean,
  ): MappingHandle;
  /** Maps anonymous private memory, hugepages when `hugepages` and there are any (no error when there are none). */
  mapAnonymous(length: number, hugepages: boolean): MappingHandle;
  /** Whether hugepages were mapped once, for anonymous memory or a pool, and could not be had: ordinary ones were taken instead. */
  hugepagesRefused(): boolean;
  /**
   * One ArrayBuffer a mapping and thread, cached; it is detached by `unmap` in the thread that unmaps. A RangeError beyond
   * 4 GiB, which is Node 20's limit. Writing through a mapping that is not writable kills the process.
   */
  mappingBuffer(mapping: MappingHandle): ArrayBuffer;
  /** The same for the `window`th 2 GiB of a mapping of any size. */
  mappingWindow(mapping: MappingHandle, window: number): ArrayBuffer;
  /** Unmaps. The caller has made sure that no queue and no other thread uses the mapping; what stuck queues use stays mapped. */
  unmap(mapping: MappingHandle): void;
  /**
   * Whether the mapping is of a file in memory that may lack pages (tmpfs, memfd): a touch makes a missing one and charges it to this
   * process, and nothing of it can be reclaimed.
   */
  mappingIsSparse(mapping: MappingHandle): boolean;
  /**
   * Of a sparse mapping that nobody uses yet, at most `bytes` of missing pages are made; one more and the mapping is lost: it turns into
   * zeros. Throws an errno when the kernel does not let this process know of such touches; nothing is limited then.
   */
  limitHoles(mapping: MappingHandle, bytes: number): void;
  /** Signals an eventfd when the mapping of a file is lost. The descriptor stays open until the mapping is gone. */
  notifyLoss(mapping: MappingHandle, eventFd: number): void;
  /** Why a mapping of a file turned into zeros ("shrunk": the file ends before it now), and the bytes of missing pages made, if limited. */
  mappingState(mapping: MappingHandle): { loss: 'none' | 'shrunk' | 'over-limit'; filled: number };
  /** Address of the first byte in this process: for system calls that want one. */
  mappingAddress(mapping: MappingHandle): bigint;
  /** Reads 1, 2 or 4 bytes at a multiple of that, in exactly one access: device registers. RangeError outside the mapping. */
  mmioRead(mapping: MappingHandle, offset: number, width: number): number;
  mmioWrite(mapping: MappingHandle, offset: number, width: number, value: number): void;
  /** A 32-bit word that is shared with another process, in one access and sequentially consistent. */
  atomicRead(mapping: MappingHandle, offset: number): number;
  atomicWrite(mapping: MappingHandle, offset: number, value: number): void;
  /**
   * Nanoseconds to read 8 bytes of each 64-byte line of a range (multiples of 64): the best of `rounds` passes over it, ended
   * early after about 50 ms. Cached memory answers in a few, uncached memory in hundreds.
   */
  readLatency(mapping: MappingHandle, offset: number, length: number, rounds: number): number;
  /** Whether two ranges (multiples of 8) hold the same bytes now. */
  mappingEquals(
    a: MappingHandle,
    aOffset: number,
    b: MappingHandle,
    bOffset: number,
    length: number,
  ): boolean;

  // --- os: sockets, events ------------------------------------------------------------------------------------------
  /**
   * Unix stream socket, listening, non-blocking, close-on-exec. A stale socket file is replaced, a live one is EADDRINUSE. Nobody can
   * connect before the file has its mode and owner.
   */
  unixListen(path: string, access?: SocketAccess): number;
  /** The system's numbers for names; -1 for a name that it does not know. */
  userId(name: string): number;
  groupId(name: string): number;
  /** Connected unix stream socket, non-blocking, close-on-exec. */
  unixConnect(path: string): number;
  /** A connected pair, non-blocking: for tests. */
  socketPair(): [number, number];
  /** The next connection, non-blocking; -1 when there is none. */
  unixAccept(fd: number): number;
  /** Ends a connection both ways in good order, for a close() after it: the other side reads an end, never a reset. */
  unixShutdown(fd: number): void;
  /**
   * Sends bytes and descriptors in one sendmsg. Returns the bytes taken, 0 when the socket is full (nothing was sent).
   * Descriptors travel with the first byte. Never raises SIGPIPE: EPIPE is thrown.
   */
  sendMessage(fd: number, data: Uint8Array, fds: readonly number[]): number;
  /** Receives up to `into.length` bytes and up to `maxFds` descriptors; null when nothing is there yet. */
  receiveMessage(fd: number, into: Uint8Array, maxFds: number): ReceivedMessage | null;
  /** Waits until `fd` is readable (or writable); false on time-out. For the synchronous control path only. */
  pollFd(fd: number, events: 'in' | 'out', timeoutMs: number): boolean;
  /** Whether SIGINT, SIGTERM or SIGHUP has come for which this thread has a listener that its event loop has yet to call. Never blocks. */
  endSignalWaits(): boolean;
  /**
   * A non-blocking description of its own for writing to the terminal at `fd`: nobody sleeps with the terminal's lock in hand. -1 when
   * `fd` is no terminal, or cannot be opened again.
   */
  openTerminal(fd: number): number;
  /** False while another job of the shell has the terminal at `fd`: reading it would stop this process, and its mode stays. */
  isForeground(fd: number): boolean;
  /** Raw mode, or the mode of before the first call. Unlike tty.ReadStream's setRawMode it does not wait for pending output. */
  setTerminalRaw(fd: number, on: boolean): void;
  /** Whether ^C at a terminal in raw mode is SIGINT or a character. Does not wait for pending output. */
  setTerminalInterrupt(fd: number, on: boolean): void;
  /** Whether the other end of a connection is closed, also when there is still something to read. Never blocks. */
  isHungUp(fd: number): boolean;
  /** Calls back on the event loop whenever `fd` is readable (level-triggered; hang-up counts as readable). Keeps the loop alive. */
  watchFd(fd: number, onReadable: () => void): FdWatcher;
  /** Non-blocking eventfd, close-on-exec. */
  eventfd(): number;
  /** Whether `fd` is an eventfd: ask once of every descriptor that a peer gives as one, before signalling or watching it. */
  isEventfd(fd: number): boolean;
  /**
   * Adds 1; a full counter stays full. False when `fd` is no eventfd. Never throws for a bad peer's descriptor, and never blocks,
   * whatever those who hold it too do with its flags and its counter (addon/ring/signal.h).
   */
  eventfdSignal(fd: number): boolean;
  /** Reads and clears; 0n when nothing was pending. */
  eventfdDrain(fd: number): bigint;
  /** Descriptors to sleep on together; it holds duplicates of them. At most 1024, and 256 sets a process. */
  waitSetCreate(fds: readonly number[]): WaitSetHandle;
  /**
   * HOT, and blocks the thread. Returns when one of the set's descriptors is readable, when the time is over (-1: never), or early and with
   * nothing: the thread's event loop has work, or it is to be terminated. Eventfds are drained. Writes the positions of
   * those that were readable into `ready` and returns how many.
   */
  waitSetWait(set: WaitSetHandle, timeoutMs: number, ready: Uint32Array): number;
  /** Frees a set that no thread waits on. */
  waitSetDestroy(set: WaitSetHandle): void;
  /** Starts an output queue of `capacity` bytes; the eventfd `failedFd` is signalled when a write fails. */
  writerStart(capacity: number, failedFd: number): OutputQueue;
  close(fd: number): void;
  /**
   * Closes a descriptor that another party made, and never hangs: a file system that does not answer holds a thread of its own. Beyond
   * 64 of those, descriptors stay open.
   */
  closeForeign(fd: number): void;
  /**
   * File system of a descriptor that another party made, found without asking it: "tmpfs" (memfds too), "hugetlbfs", another name of
   * /proc/mounts, or "" when it is in no mount that this process sees.
   */
  fileSystem(fd: number): string;
  dup(fd: number): number;
  /** True for a regular file or memfd; with its size and identity. */
  fileInfo(fd: number): {
    readonly regular: boolean;
    readonly size: number;
    readonly device: bigint;
    readonly inode: bigint;
  };
  /** Block size of the file system: the hugepage size for hugetlb files. */
  filePageSize(fd: number): number;

  // --- os: tap interfaces -------------------------------------------------------------------------------------------
  /**
   * One more queue of the tap interface `name`, which is made when there is none (a %d in it becomes a free number): a
   * non-blocking descriptor, and the interface's name. Frames have a virtio-net header of 12 bytes.
   */
  tapOpen(name: string, multiQueue: boolean): { readonly fd: number; readonly name: string };
  /** What the kernel may leave undone in frames that it hands us. EINVAL for `uso` before Linux 6.2. */
  tapSetOffloads(fd: number, offloads: TapOffloads): void;
  /** Whether the interface outlives its last descriptor. */
  tapSetPersist(fd: number, persist: boolean): void;
  tapGetMac(fd: number): Uint8Array;
  tapSetMac(fd: number, mac: Uint8Array): void;
  /** The interface's name now, in whatever network namespace; EBADFD when it was deleted. */
  tapName(fd: number): string;
  /** Of an interface of this network namespace; ENODEV when there is none of that name. */
  interfaceMtu(name: string): number;
  interfaceSetMtu(name: string, mtu: number): void;
  interfaceIsUp(name: string): boolean;
  interfaceSetUp(name: string, up: boolean): void;

  // --- os: threads and time -----------------------------------------------------------------------------------------
  /** Pins the calling thread. */
  setAffinity(cpus: readonly number[]): void;
  /** Pins all threads of the process that there are, V8's among them; those to come take after the thread that starts them. */
  setAffinityOfAll(cpus: readonly number[]): void;
  /** CPUs that the calling thread may run on. */
  getAffinity(): number[];
  /** Ends the process at once, with its threads wherever they are. */
  exitNow(code: number): never;
  /** Names the calling thread (15 bytes). */
  setThreadName(name: string): void;
  /** Time-stamp counter, as a double: exact up to 2^53. */
  rdtsc(): number;
  tscHz(): number;
  /** HOT. Cycles since this thread's last call of tscLap, at most 2^31 - 1. Allocates nothing, unlike rdtsc. */
  tscLap(): number;

  // --- ring: guest memory -------------------------------------------------------------------------------------------
  /** An immutable table. Regions must not overlap and must lie inside their mappings. EACCES when one cannot be written. */
  memoryCreate(regions: readonly MemoryRegion[]): MemoryHandle;
  /** Frees the table, once no stuck queue uses it. EBUSY when a running queue does. */
  memoryDestroy(memory: MemoryHandle): void;

  // --- ring: mbuf pools ---------------------------------------------------------------------------------------------
  /** A pool for one thread. `dataRoom` 64 to 65472 - headroom; `count` 1 to 2^20. */
  poolCreate(options: { count: number; dataRoom: number; headroom: number; hugepages: boolean }): PoolHandle;
  poolLayout(pool: PoolHandle): PoolLayout;
  /** The pool's memory (see PoolLayout), for the calling thread. */
  poolBuffer(pool: PoolHandle): ArrayBuffer;
  /** mbufs that are free. */
  poolAvailable(pool: PoolHandle): number;
  poolDestroy(pool: PoolHandle): void;
  /** A vector of up to `capacity` mbuf numbers in the pool's memory: Uint32Array(poolBuffer, vectorOffset, capacity). */
  vectorCreate(pool: PoolHandle, capacity: number): VectorHandle;
  vectorOffset(vector: VectorHandle): number;
  /** HOT. Allocates `n` single-segment mbufs (data at the headroom, lengths and olFlags 0) into vector[0..n): all or none; returns n or 0. */
  poolAlloc(vector: VectorHandle, n: number): number;
  /** HOT. Frees the packets vector[from..to), all their segments. */
  poolFree(vector: VectorHandle, from: number, to: number): void;

  // --- ring: device role (the exotic rings) -------------------------------------------------------------------------
  /** A queue slot, stopped. 'rx' takes from the peer's TX ring, 'tx' gives to the peer's RX ring. */
  queueCreate(role: 'rx' | 'tx'): QueueHandle;
  /**
   * Joins the slot to a ring of the peer. Throws ERANGE when a part of the ring lies outside the memory, EINVAL on a bad size, EBUSY
   * when the queue is running or stuck.
   */
  queueStart(queue: QueueHandle, setup: RingSetup): void;
  /**
   * Makes the queue stop and waits until no burst runs on it in any thread, at most `patienceMs` (1000). Returns the index of the
   * next available entry that was not taken. Idempotent. QUEUE_STUCK when a burst does not come back: what it may touch
   * (the memory table, its mappings, the words) stays until it does, also when it is given back, and later calls do not wait.
   */
  queueQuiesce(queue: QueueHandle, patienceMs?: number): number;
  queueState(queue: QueueHandle): number;
  /** The next `rxBurst` of a running queue gives a RARP broadcast of this MAC address (6 bytes) before all else; null: none waits any more. */
  queueAnnounce(queue: QueueHandle, mac: Uint8Array | null): void;
  /** Live counters in the order of QUEUE_COUNTERS: BigUint64Array over the addon's memory, for the calling thread. */
  queueStats(queue: QueueHandle): ArrayBuffer;
  /** Quiesces and frees the slot, which is never used again if the queue is stuck; detaches this thread's view of the counters. */
  queueDestroy(queue: QueueHandle): void;
  /**
   * HOT. Asks the peer to kick when it makes the next entry available. True when nothing waits, so that the caller may sleep (also
   * when the queue does not run: whoever starts it wakes the sleeper); false when there is work, and then nothing is armed.
   */
  queueArm(queue: QueueHandle): boolean;
  /** HOT. Asks the peer not to kick any more. */
  queueDisarm(queue: QueueHandle): void;
  /** HOT. Receives up to `n` packets into vector[0..), returns how many. */
  rxBurst(queue: QueueHandle, vector: VectorHandle, n: number): number;
  /** HOT. Sends vector[from..to); frees those it took and returns how many (in order from `from`). */
  txBurst(queue: QueueHandle, vector: VectorHandle, from: number, to: number): number;
  /**
   * Where packets in the peer's memory are, for txReserve and rxPeek: Uint32Arrays of IN_PLACE_MAX entries one behind the other,
   * in the order of IN_PLACE_FIELDS, then the mapping and the 2 GiB window in it that all of them lie in; for the calling thread.
   */
  queueSlots(queue: QueueHandle): ArrayBuffer;
  /** HOT. Reserves up to `n` receive buffers of the peer, told in queueSlots; returns how many. Until txCommit the queue can't be stopped. */
  txReserve(queue: QueueHandle, n: number): number;
  /** HOT. Sends the first `n` reserved buffers with the lengths in queueSlots and lets go of the rest; returns how many were sent. */
  txCommit(queue: QueueHandle, n: number): number;
  /** HOT. Sends up to `n` packets of `length` bytes in place, each of which starts as the packet vector[0]; -1 when the next needs txBurst. */
  txRepeat(queue: QueueHandle, vector: VectorHandle, length: number, n: number): number;
  /** HOT. Shows up to `n` packets where the peer has sent them; returns how many. Until rxRelease the queue can't be stopped. */
  rxPeek(queue: QueueHandle, n: number): number;
  /** HOT. Gives the first `n` packets shown back to the peer and lets go of the rest; returns how many. */
  rxRelease(queue: QueueHandle, n: number): number;
  /** HOT. Moves up to `n` packets from ring to ring; -1 when the next one needs rxBurst and txBurst. */
  relayBurst(rx: QueueHandle, tx: QueueHandle, n: number): number;
  /** HOT, benchmarks only: returns up to `n` available descriptors untouched (used length `length`); returns how many. */
  returnBurst(queue: QueueHandle, n: number, length: number): number;
  /** HOT, benchmarks only: returnBurst that reads what was sent, or writes header and zeros into what is to be filled. */
  touchBurst(queue: QueueHandle, n: number, length: number): number;

  // --- ring: device role for messages (control queues of the device model) ------------------------------------------
  /**
   * Takes the next chain: its head and its segments, whose addresses nobody has checked: they need not lie in the queue's memory.
   * Null when there is none. Throws EPROTO when the ring breaks the rules. The queue is one of `queueCreate`.
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
  /** Returns a chain with `written` bytes; true when the driver wants to be interrupted. */
  chainReturn(queue: QueueHandle, head: number, written: number): boolean;

  // --- ring: tap interfaces -----------------------------------------------------------------------------------------
  /** A queue slot, stopped. 'rx' receives what the kernel sends, 'tx' sends to the kernel. */
  tapQueueCreate(role: 'rx' | 'tx'): TapQueueHandle;
  /**
   * Joins the slot to a descriptor of `tapOpen`, which stays the caller's. `cutsUdp`: the kernel cuts datagrams into segments; else
   * the queue does.
   */
  tapQueueStart(queue: TapQueueHandle, fd: number, cutsUdp: boolean): void;
  /** Waits until no burst runs in any thread; nobody touches the descriptor after it. Idempotent. */
  tapQueueStop(queue: TapQueueHandle): void;
  /** As `queueStats`. */
  tapQueueStats(queue: TapQueueHandle): ArrayBuffer;
  tapQueueDestroy(queue: TapQueueHandle): void;
  /** HOT. As `rxBurst` and `txBurst`. */
  tapRxBurst(queue: TapQueueHandle, vector: VectorHandle, n: number): number;
  tapTxBurst(queue: TapQueueHandle, vector: VectorHandle, from: number, to: number): number;

  // --- ring: driver role (the built-in peer) ------------------------------------------------------------------------
  /** 'rx' posts all its buffers at once; 'tx' starts empty. */
  driverQueueCreate(role: 'rx' | 'tx', setup: DriverQueueSetup): DriverQueueHandle;
  driverQueueDestroy(queue: DriverQueueHandle): void;
  driverQueueStats(queue: DriverQueueHandle): ArrayBuffer;
  /** Template of the frames that `driverGenerate` sends: bytes 0..length of the frame, without sequence number and checksum. */
  driverTemplate(queue: DriverQueueHandle, frame: Uint8Array): void;
  /** HOT. Reclaims, then sends up to `n` generated frames; returns how many. */
  driverGenerate(tx: DriverQueueHandle, n: number): number;
  /** HOT. Takes up to `n` received frames, checks sequence and checksum when `check`, posts the buffers again; returns how many. */
  driverReceive(rx: DriverQueueHandle, n: number, check: boolean): number;
  /**
   * What `driverReceiveTimed` tells, a Float64Array for the calling thread: the time-stamp counter after the last call, then the
   * sequence numbers of the frames that it took, -1 for one too short to have any.
   */
  driverArrivals(rx: DriverQueueHandle): ArrayBuffer;
  /** HOT. As `driverReceive`, at most 512 frames, and tells driverArrivals; the time also when nothing came. */
  driverReceiveTimed(rx: DriverQueueHandle, n: number, check: boolean): number;
  /** HOT. Sends up to `n` received frames back with source and destination MAC exchanged; returns how many. */
  driverEcho(rx: DriverQueueHandle, tx: DriverQueueHandle, n: number): number;

  // --- checks -------------------------------------------------------------------------------------------------------
  /** sizeof and offsetof of every C++ layout, e.g. {"vring_desc": 16, "vring_desc.addr": 0}: compared with src/abi by a test. */
  layouts(): Record<string, number>;
}

export const NO_NEXT = 0xffff_ffff;

function addonPath(): string {
  const override = process.env.VHOST_PCI_ADDON;
  if (override) return override;
  // This file is in src/ or, compiled, in dist/src/: the package's root is the first folder above with a binding.gyp.
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'binding.gyp')) && dirname(folder) !== folder) folder = dirname(folder);
  return join(folder, 'build', 'Release', 'vhost_pci.node');
}

function load(): Native {
  const path = addonPath();
  if (!existsSync(path))
    throw new Error(`The addon is not built (${path} is missing): run 'npm ci' or 'npm run build:addon'`);
  return createRequire(import.meta.url)(path) as Native;
}

export const native: Native = load();
