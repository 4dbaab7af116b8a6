// SPDX-License-Identifier: BSD-3-Clause
// The port: the interface that every driver provides to applications, in DPDK's terms.
import type { RxInPlace, TxInPlace } from './in-place.ts';
import type { MbufVector } from './mempool.ts';

/**
 * HOT. One receive queue, used by one thread: that of the lcore that opened it.
 *
 * @example
 * const n = queue.burst(pkts, pkts.capacity);
 * pool.free(pkts, 0, n);
 */
export interface RxQueue {
  /**
   * Receives up to `n` packets, at most `pkts.capacity`, into `pkts.ids[0..)`; returns their number. The
   * caller owns them. 0 while there are none, the port is stopped or closed, or the pool is empty. Never
   * throws.
   */
  burst(pkts: MbufVector, n: number): number;
  /** Absent if the port has no interrupts (PortInfo.rxInterrupts). */
  readonly interrupt?: RxInterrupt;
  /** Reads packets in the peer's buffers; absent if the port does not map a peer's memory. */
  readonly inPlace?: RxInPlace;
  /**
   * Moves packets to `tx` in one copy; null or absent if that is not possible. `macs`: destination and source
   * address with which they leave, as the three little-endian words at the start of a frame.
   */
  relayTo?(tx: TxQueue, macs?: Uint32Array): Relay | null;
}

/**
 * Moves packets from one peer's ring to another's in one copy, without mbufs. Made by `relayTo` of a receive
 * queue; for the one thread that has both queues.
 *
 * @example
 * const relay = rx.relayTo?.(tx);
 * if ((relay?.burst(32) ?? -1) < 0) forwardWithTwoBursts();
 */
export interface Relay {
  /**
   * HOT. Moves up to `n` packets; returns the number moved. While the receiver has no room, they wait in the
   * sender's ring; a full burst waits for up to 31 calls while the receiver has only few buffers available.
   * -1: the next packet has a shape or needs work that only two bursts can handle; or there is no receiver
   * and the packets must be dropped.
   */
  burst(n: number): number;
}

/**
 * How a receive queue wakes the thread that sleeps on it: DPDK's rte_eth_dev_rx_intr_enable and related
 * calls.
 */
export interface RxInterrupt {
  /**
   * Becomes readable when the queue interrupts; -1 if the queue never will. The thread that waits for an
   * eventfd drains it.
   */
  readonly fd: number;
  /**
   * HOT. Requests an interrupt at the next packet. Returns true if no packet is waiting, so the thread may
   * sleep; otherwise nothing is armed.
   */
  arm(): boolean;
  /** HOT. Switches back to polling. */
  disarm(): void;
  /** Written by the sleeping thread, at RX_SLEEPS and RX_INTERRUPTS. */
  readonly counters: Float64Array;
}

/** Index: number of times a thread slept on the queue. */
export const RX_SLEEPS = 0;
/** Index: number of times the queue's descriptor ended a sleep, or was found signalled when a sleep began. */
export const RX_INTERRUPTS = 1;

/**
 * HOT. One transmit queue, used by one thread: that of the lcore that opened it.
 *
 * @example
 * const sent = queue.burst(pkts, 0, n);
 * pool.free(pkts, sent, n); // or try these again
 */
export interface TxQueue {
  /**
   * Sends `pkts.ids[from..to)`, `to` at most `pkts.capacity`, in order; returns the number accepted, which it
   * owns and frees. Each accepted packet was sent, or dropped and counted in `oerrors`. A packet that had to
   * be segmented and of which only some segments found room is not accepted; it now holds the rest. Never
   * throws.
   */
  burst(pkts: MbufVector, from: number, to: number): number;
  /** Writes packets in the peer's buffers; absent if the port does not map a peer's memory. */
  readonly inPlace?: TxInPlace;
}

/** How another thread opens the same queue: plain data that can be sent with postMessage. */
export interface QueueSpec {
  /** "net_vhost_pci". */
  readonly driver: string;
  /** Receives or transmits. */
  readonly role: 'rx' | 'tx';
  /** The port's id. */
  readonly port: number;
  /** The queue's number in its role. */
  readonly queue: number;
  /** Private to the driver, e.g. the addon's queue handle. */
  readonly data: Readonly<Record<string, number | string | SharedArrayBuffer>>;
}

/** The state of a port's link. */
export interface PortLink {
  /** Whether packets can pass. */
  readonly up: boolean;
  /** Mbit/s; 0 while the link is down. */
  readonly speed: number;
  /** Why the link is down, in words, if the driver knows; absent while it is up. */
  readonly reason?: string;
}

/** Totals of a port since it was made or cleared, those of DPDK's rte_eth_stats. */
export interface PortStats {
  /** Packets received. */
  readonly ipackets: number;
  /** Packets sent. */
  readonly opackets: number;
  /** Bytes received, without the checksum of the frame. */
  readonly ibytes: number;
  /** Bytes sent. */
  readonly obytes: number;
  /** Packets lost because no queue accepted them. */
  readonly imissed: number;
  /** Packets received that were invalid. */
  readonly ierrors: number;
  /** Packets that a burst accepted and dropped. */
  readonly oerrors: number;
  /** Times that a packet could not be received because the pool had no mbuf. */
  readonly rxNombuf: number;
}

/** What a port is and can; some of it changes with its peer. */
export interface PortInfo {
  /** Device name: "net_vhost_pci0", "0000:00:04.0". */
  readonly name: string;
  /** Driver name as DPDK prints it: "net_vhost_pci", "net_null". */
  readonly driver: string;
  /** The device string after the name: "path=/run/vpci.sock". */
  readonly devargs: string;
  /** The port's MAC address: "02:76:70:63:69:00". */
  readonly mac: string;
  /** Bytes of an IP packet, without the Ethernet header. */
  readonly mtu: number;
  /** Smallest MTU, in bytes. */
  readonly minMtu: number;
  /** Largest MTU, in bytes. */
  readonly maxMtu: number;
  /** Largest `rxQueues` of {@link PortConfig}. */
  readonly maxRxQueues: number;
  /** Largest `txQueues` of {@link PortConfig}. */
  readonly maxTxQueues: number;
  /** Smallest data room of a pool to receive into, in bytes. */
  readonly minRxBufSize: number;
  /** Longest frame that can be received, in bytes. */
  readonly maxRxPktLen: number;
  /** Whether a thread can sleep until a packet arrives; see RxQueue.interrupt. */
  readonly rxInterrupts?: boolean;
  /** Fewest descriptors of a ring; the peer chooses the number. */
  readonly minDescriptors: number;
  /** Most descriptors of a ring. */
  readonly maxDescriptors: number;
  /** Lines for "show device info" and "Device private info". */
  readonly details: Readonly<Record<string, string | number>>;
}

/** How many queues of a port are in use. */
export interface PortConfig {
  /** Receive queues, 0 to `info.maxRxQueues`. */
  readonly rxQueues: number;
  /** Transmit queues, 0 to `info.maxTxQueues`. */
  readonly txQueues: number;
}

/**
 * 'link': the link came up or went down. 'reason': link().reason changed while the link was down. 'removed':
 * the device is gone for good; close the port, and open it again when the device is back.
 */
export type PortEvent = 'link' | 'reason' | 'removed';

/** Called on the main thread's event loop with the state of the link at that moment. */
export type PortListener = (link: PortLink) => void;

/**
 * A network port: what openPort() returns, whatever its driver. For the thread that opened it; lcores get its
 * queues ({@link LcoreContext}). What reads or tidies up works on a closed port; the rest throws VPCI_CLOSED.
 *
 * @example
 * const port = openPort('net_vhost_pci0,path=/run/vpci.sock', { rxQueues: 2, txQueues: 2 });
 * port.on('link', ({ up, reason }) => console.log(up ? 'link up' : `link down: ${reason}`));
 */
export interface Port {
  /** 0 to 31, the lowest that was free. */
  readonly id: number;
  /** Read anew at each use. */
  readonly info: PortInfo;
  /** The queues in use. */
  readonly config: PortConfig;
  /**
   * Offloads (MBUF_F_*) of transmitted packets that are passed on to the peer; others are done in software.
   * Changes with the link.
   */
  readonly txOffloads: number;
  /**
   * Chooses the number of queues, of a port that is stopped. Throws EBUSY if it is started, VPCI_QUEUE_COUNT,
   * naming both numbers, if the device has fewer queues, VPCI_ARGUMENT or VPCI_CLOSED.
   */
  configure(config: PortConfig): void;
  /**
   * From now on packets pass, as soon as there is a link; does nothing on a started port. Throws VPCI_CLOSED,
   * or VPCI_REMOVED if the device is gone.
   */
  start(): void;
  /**
   * From now on bursts on its queues do nothing. Running bursts have ended, except one stuck on memory that
   * does not arrive.
   */
  stop(): void;
  /**
   * Stops the port and releases the device. This is final and idempotent. An lcore may still hold queues of
   * the port; their bursts do nothing from now on. close() waits for packets that an lcore holds in place, so
   * stop the lcore first if possible.
   */
  close(): void;
  /** Whether start() was called last, not stop() or close(). */
  readonly started: boolean;
  /** The link now; of a closed port, down. */
  link(): PortLink;
  /** The totals now; those of a closed port stay. */
  stats(): PortStats;
  /** Statistics of port and queues: DPDK's names in DPDK's order ("rx_q0_packets"), then the driver's. */
  xstats(): ReadonlyMap<string, number>;
  /** Resets stats() and xstats() to zero. */
  clearStats(): void;
  /** For launch(): a receive queue as plain data. Throws VPCI_QUEUE_COUNT if it is not configured. */
  rxQueueSpec(queue: number): QueueSpec;
  /** For launch(): a transmit queue as plain data. Throws as rxQueueSpec does. */
  txQueueSpec(queue: number): QueueSpec;
  /**
   * Number of descriptors in the ring behind a queue; 0 while there is no ring. Throws VPCI_ARGUMENT for a
   * queue that the device does not have.
   */
  descriptors(role: 'rx' | 'tx', queue: number): number;
  /**
   * Sets the offloads that the consumer of received packets can complete: the peer is asked to use no others.
   * None until the first call. Throws VPCI_ARGUMENT or VPCI_CLOSED. Absent if the peer cannot be asked.
   */
  setRxOffloads?(offloads: number): void;
  /**
   * Sets the MTU in bytes. Throws VPCI_ARGUMENT, VPCI_CLOSED, or the errno of the kernel. Absent if the port
   * does not choose its MTU.
   */
  setMtu?(mtu: number): void;
  /**
   * Takes the link down, or up again, so that the far side sees it; no packets pass meanwhile. A start takes
   * it up. Throws VPCI_CLOSED, or the errno of the kernel. Absent if the far side cannot be told.
   */
  setLink?(up: boolean): void;
  /**
   * Calls `listener` at each event from now on. Throws VPCI_ARGUMENT, or VPCI_CLOSED if the port is closed.
   */
  on(event: PortEvent, listener: PortListener): void;
  /** Calls `listener` at the next event only; throws as `on` does. */
  once(event: PortEvent, listener: PortListener): void;
  /**
   * Undoes one `on` or `once` with the same listener; does nothing if there was none. Allowed on a closed
   * port.
   */
  off(event: PortEvent, listener: PortListener): void;
}

/** A port driver: how to probe a device, and how a thread opens a queue. */
export interface PortDriver {
  /** "net_vhost_pci". */
  readonly name: string;
  /** Keys accepted in devargs; any other is an error that names it. */
  readonly keys: readonly string[];
  /** Those of `keys` that may be given several times (`repeatedArg`). */
  readonly repeatable?: readonly string[];
  /** Ids of the functions that it drives when they are named by a PCI address. */
  readonly pci?: readonly { readonly vendor: number; readonly device: number }[];
  probe(id: number, name: string, devargs: ReadonlyMap<string, string>): Port;
  /** Whether a removed device can be probed again; does not block. Absent if that cannot be determined. */
  isBack?(name: string, devargs: ReadonlyMap<string, string>): Promise<boolean>;
  openRxQueue(spec: QueueSpec): RxQueue;
  openTxQueue(spec: QueueSpec): TxQueue;
  /** Called when the thread that held the queue has ended or is about to: releases what it held in place. */
  abandonQueue?(spec: QueueSpec): void;
}
