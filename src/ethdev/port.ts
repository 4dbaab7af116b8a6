// SPDX-License-Identifier: BSD-3-Clause
// The port: what every driver gives to an application, in DPDK's words.
import type { RxInPlace, TxInPlace } from './in-place.ts';
import type { MbufVector } from './mempool.ts';

/** HOT. One receive queue, used by one thread. */
export interface RxQueue {
  /** Receives up to `n` packets into `pkts.ids[0..)`; returns how many. The caller owns them. */
  burst(pkts: MbufVector, n: number): number;
  /** Left out by a port that has no interrupts (PortInfo.rxInterrupts). */
  readonly interrupt?: RxInterrupt;
  /** Reading where the peer has sent; left out by ports without memory of a peer. */
  readonly inPlace?: RxInPlace;
  /** Moves packets to `tx` in one copy; null, or left out, where that is not possible. */
  relayTo?(tx: TxQueue): Relay | null;
}

/** Packets from one peer's ring to another's in one copy, past all mbufs. */
export interface Relay {
  /**
   * HOT. Moves up to `n` packets; returns how many. Without room at the receiver they wait in the sender's ring, and a full burst for up
   * to 31 calls while the receiver has few buffers laid out. -1: the next packet has a shape, or asks for work, that only two bursts can
   * do; or there is no receiver, and they are to be dropped.
   */
  burst(n: number): number;
}

/** How a receive queue wakes the thread that sleeps on it: DPDK's rte_eth_dev_rx_intr_enable and its kin. */
export interface RxInterrupt {
  /** Readable once the queue has interrupted; -1 for a queue that never will. An eventfd is drained by whoever waits for it. */
  readonly fd: number;
  /** HOT. Asks for an interrupt at the next packet. True when none waits, so that the thread may sleep; else nothing is armed. */
  arm(): boolean;
  /** HOT. Back to polling. */
  disarm(): void;
  /** Written by the thread that sleeps, at RX_SLEEPS and RX_INTERRUPTS. */
  readonly counters: Float64Array;
}

/** Times that a thread slept on the queue. */
export const RX_SLEEPS = 0;
/** Times that the queue's descriptor ended a sleep, or was found signalled by one. */
export const RX_INTERRUPTS = 1;

/** HOT. One transmit queue, used by one thread. */
export interface TxQueue {
  /**
   * Sends `pkts.ids[from..to)` in order; owns and frees those it took, and returns how many. Each of those was sent, or dropped and
   * counted in `oerrors`. A packet that had to be cut and whose segments found room in part is not taken, and is now the rest.
   */
  burst(pkts: MbufVector, from: number, to: number): number;
  /** Writing where the peer receives; left out by ports without memory of a peer. */
  readonly inPlace?: TxInPlace;
}

/** How another thread opens the same queue: plain data that survives postMessage. */
export interface QueueSpec {
  readonly driver: string;
  readonly role: 'rx' | 'tx';
  readonly port: number;
  readonly queue: number;
  /** The driver's own, e.g. the addon's queue handle. */
  readonly data: Readonly<Record<string, number | string | SharedArrayBuffer>>;
}

export interface PortLink {
  readonly up: boolean;
  /** Mbit/s. */
  readonly speed: number;
  /** Why it is down, in words, where the driver knows. */
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
  /** True when a thread can sleep until a packet comes, see RxQueue.interrupt. */
  readonly rxInterrupts?: boolean;
  /** Descriptors a ring may have; the peer chooses. */
  readonly minDescriptors: number;
  readonly maxDescriptors: number;
  /** Lines for "show device info" and "Device private info". */
  readonly details: Readonly<Record<string, string | number>>;
}

export interface PortConfig {
  readonly rxQueues: number;
  readonly txQueues: number;
}

/** 'reason': the link is down, and link().reason has changed. */
export type PortEvent = 'link' | 'reason' | 'removed';

export interface Port {
  readonly id: number;
  readonly info: PortInfo;
  readonly config: PortConfig;
  /** Offloads (MBUF_F_*) that packets may have which its TX queues are given, so that the far side takes them; others are finished in software. Changes with the link. */
  readonly txOffloads: number;
  /** Throws VPCI_QUEUE_COUNT when the device has fewer queues, naming both numbers. Before start(). */
  configure(config: PortConfig): void;
  start(): void;
  /** Bursts on its queues do nothing from now on; those that run have ended (but for one that sleeps in memory which does not come). */
  stop(): void;
  /**
   * Stops the port and gives the device back; for good, and safe to call again. An lcore may still have its queues: their bursts take and
   * give nothing from now on. What it holds in place is waited for, so stop the lcore first where that is possible.
   */
  close(): void;
  readonly started: boolean;
  link(): PortLink;
  stats(): PortStats;
  /** In DPDK's order and names. */
  xstats(): ReadonlyMap<string, number>;
  /** Makes stats() and xstats() count from zero. */
  clearStats(): void;
  rxQueueSpec(queue: number): QueueSpec;
  txQueueSpec(queue: number): QueueSpec;
  /** Descriptors of the ring behind a queue; 0 while there is none. */
  descriptors(role: 'rx' | 'tx', queue: number): number;
  /**
   * What whoever is given the received packets can finish: the far side is asked to send no other offloads. Until the first call
   * it is none. Ports whose far side cannot be asked have no such function.
   */
  setRxOffloads?(offloads: number): void;
  /** Throws a PmdError when it cannot be. Ports without it have an MTU that is somebody else's to choose. */
  setMtu?(mtu: number): void;
  on(event: PortEvent, listener: () => void): void;
}

/** What a port driver registers: how to probe a device and how a thread opens a queue. */
export interface PortDriver {
  /** "net_vhost_pci". */
  readonly name: string;
  /** Keys that devargs may hold; any other is an error that names it. */
  readonly keys: readonly string[];
  /** True for the driver of devices that are named by a PCI address. */
  readonly pci?: boolean;
  probe(id: number, name: string, devargs: ReadonlyMap<string, string>): Port;
  /** Whether a device that went away can be probed again; does not block. Left out where nobody can say. */
  isBack?(name: string, devargs: ReadonlyMap<string, string>): Promise<boolean>;
  openRxQueue(spec: QueueSpec): RxQueue;
  openTxQueue(spec: QueueSpec): TxQueue;
  /** The thread that had the queue is gone, or about to be: what it held in place is let go. */
  abandonQueue?(spec: QueueSpec): void;
}
