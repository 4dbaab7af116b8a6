// SPDX-License-Identifier: BSD-3-Clause
// The port: the interface that every driver provides to applications, in DPDK's terms.
import type { RxInPlace, TxInPlace } from './in-place.ts';
import type { MbufVector } from './mempool.ts';

/** HOT. One receive queue, used by one thread. */
export interface RxQueue {
  /** Receives up to `n` packets into `pkts.ids[0..)`; returns their number. The caller owns them. */
  burst(pkts: MbufVector, n: number): number;
  /** Absent if the port has no interrupts (PortInfo.rxInterrupts). */
  readonly interrupt?: RxInterrupt;
  /** Reads packets in the peer's buffers; absent if the port does not map a peer's memory. */
  readonly inPlace?: RxInPlace;
  /** Moves packets to `tx` in one copy; null or absent if that is not possible. */
  relayTo?(tx: TxQueue): Relay | null;
}

/** Moves packets from one peer's ring to another's in one copy, without mbufs. */
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

/** HOT. One transmit queue, used by one thread. */
export interface TxQueue {
  /**
   * Sends `pkts.ids[from..to)` in order; returns the number accepted, which it owns and frees. Each accepted
   * packet was sent, or dropped and counted in `oerrors`. A packet that had to be segmented and of which only
   * some segments found room is not accepted; it now holds the rest.
   */
  burst(pkts: MbufVector, from: number, to: number): number;
  /** Writes packets in the peer's buffers; absent if the port does not map a peer's memory. */
  readonly inPlace?: TxInPlace;
}

/** How another thread opens the same queue: plain data that can be sent with postMessage. */
export interface QueueSpec {
  readonly driver: string;
  readonly role: 'rx' | 'tx';
  readonly port: number;
  readonly queue: number;
  /** Private to the driver, e.g. the addon's queue handle. */
  readonly data: Readonly<Record<string, number | string | SharedArrayBuffer>>;
}

export interface PortLink {
  readonly up: boolean;
  /** Mbit/s. */
  readonly speed: number;
  /** Why the link is down, in words, if the driver knows. */
  readonly reason?: string;
}

export interface PortStats {
  readonly ipackets: number;
  readonly opackets: number;
  readonly ibytes: number;
  readonly obytes: number;
  readonly imissed: number;
  readonly ierrors: number;
  readonly oerrors: number;
  readonly rxNombuf: number;
}

export interface PortInfo {
  /** Device name: "net_vhost_pci0", "0000:00:04.0". */
  readonly name: string;
  /** Driver name as DPDK prints it: "net_vhost_pci", "net_null". */
  readonly driver: string;
  readonly devargs: string;
  readonly mac: string;
  readonly mtu: number;
  readonly minMtu: number;
  readonly maxMtu: number;
  readonly maxRxQueues: number;
  readonly maxTxQueues: number;
  readonly minRxBufSize: number;
  readonly maxRxPktLen: number;
  /** Whether a thread can sleep until a packet arrives; see RxQueue.interrupt. */
  readonly rxInterrupts?: boolean;
  /** Range of descriptors per ring; the peer chooses the number. */
  readonly minDescriptors: number;
  readonly maxDescriptors: number;
  /** Lines for "show device info" and "Device private info". */
  readonly details: Readonly<Record<string, string | number>>;
}

export interface PortConfig {
  readonly rxQueues: number;
  readonly txQueues: number;
}

/** 'reason': link().reason changed while the link was down. */
export type PortEvent = 'link' | 'reason' | 'removed';

/** Called on the main thread's event loop with the state of the link at that moment. */
export type PortListener = (link: PortLink) => void;

export interface Port {
  readonly id: number;
  readonly info: PortInfo;
  readonly config: PortConfig;
  /**
   * Offloads (MBUF_F_*) of transmitted packets that are passed on to the peer; others are done in software.
   * Changes with the link.
   */
  readonly txOffloads: number;
  /**
   * Must be called before start(). Throws VPCI_QUEUE_COUNT if the device has fewer queues, naming both
   * numbers.
   */
  configure(config: PortConfig): void;
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
  readonly started: boolean;
  link(): PortLink;
  stats(): PortStats;
  /** With DPDK's names, in DPDK's order. */
  xstats(): ReadonlyMap<string, number>;
  /** Resets stats() and xstats() to zero. */
  clearStats(): void;
  rxQueueSpec(queue: number): QueueSpec;
  txQueueSpec(queue: number): QueueSpec;
  /** Number of descriptors in the ring behind a queue; 0 while there is no ring. */
  descriptors(role: 'rx' | 'tx', queue: number): number;
  /**
   * Sets the offloads that the consumer of received packets can complete: the peer is asked to use no others.
   * None until the first call. Absent if the peer cannot be asked.
   */
  setRxOffloads?(offloads: number): void;
  /** Throws a PmdError on failure. Absent if the port does not choose its MTU. */
  setMtu?(mtu: number): void;
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
  /** True for the driver of devices named by a PCI address. */
  readonly pci?: boolean;
  probe(id: number, name: string, devargs: ReadonlyMap<string, string>): Port;
  /** Whether a removed device can be probed again; does not block. Absent if that cannot be determined. */
  isBack?(name: string, devargs: ReadonlyMap<string, string>): Promise<boolean>;
  openRxQueue(spec: QueueSpec): RxQueue;
  openTxQueue(spec: QueueSpec): TxQueue;
  /** Called when the thread that held the queue has ended or is about to: releases what it held in place. */
  abandonQueue?(spec: QueueSpec): void;
}
