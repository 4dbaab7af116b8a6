// SPDX-License-Identifier: BSD-3-Clause
// What the command line and the `set` commands decide. Defaults are testpmd's.
import type { LcorePlace } from '../lcore/lcore-list.ts';

export const MAX_BURST = 512;
/** testpmd's MAX_SEGS_BUFFER_SPLIT is 8; the headers need at least this much of the packet. */
export const MAX_TX_SEGMENTS = 8;
/** Bytes that an mbuf of --mbuf-size has before its data. */
export const MBUF_HEADROOM = 128;
/** Of --mbuf-size, as of a pool (mempool.ts): the whole cache lines in the 65535 bytes that a 16-bit offset reaches. */
export const MAX_MBUF_SIZE = 65472;

/** What a forwarding lcore does when nothing comes: polls on, sleeps at once, or polls for a while and then sleeps. */
export const RX_INTERRUPT_MODES = ['off', 'on', 'adaptive'] as const;
export type RxInterruptMode = (typeof RX_INTERRUPT_MODES)[number];

/**
 * Empty polls after which an lcore sleeps; 0: never. Adaptive: about 0.1 ms, far longer than a sender under load pauses, and far shorter
 * than would show in the use of the CPU.
 */
export const EMPTY_POLLS: Readonly<Record<RxInterruptMode, number>> = { off: 0, on: 1, adaptive: 1000 };

export type Topology = 'paired' | 'chained' | 'loop';

export interface EalSettings {
  /** PCI devices, with their arguments. */
  allowed: string[];
  vdevs: string[];
  /** Empty: all CPUs that the process may use. */
  lcores: LcorePlace[];
  mainLcore: number | null;
  noHuge: boolean;
  /** File systems that memory may lie on beside those that are safe. */
  memoryFileSystems: string[];
  help: boolean;
  version: boolean;
}

export interface Settings {
  interactive: boolean;
  autoStart: boolean;
  txFirst: boolean;
  help: boolean;
  /** Command file to run before the prompt; its commands are echoed or not. */
  commandFile: string | null;
  commandFileEcho: boolean;
  /** Seconds between displays; 0 for none. */
  statsPeriod: number;
  mode: string;
  retry: boolean;
  /** Packets a burst. */
  burst: number;
  burstTxRetries: number;
  /** Microseconds. */
  burstTxDelay: number;
  txSegments: number[];
  nbCores: number;
  /** Ids of the forwarding ports; null for all. */
  portList: number[] | null;
  nbPorts: number | null;
  topology: Topology;
  rxQueues: number;
  txQueues: number;
  rxDescriptors: number;
  txDescriptors: number;
  /** Bytes of an mbuf, headroom included. */
  mbufSize: number;
  /** mbufs of an lcore's pool; 0: as many as testpmd reckons for one port. */
  mbufs: number;
  /** Packet memory in hugepages when there are any. */
  hugepages: boolean;
  /** By port id; others are 02:00:00:00:00:<id>. */
  ethPeers: Map<number, string>;
  lscInterrupt: boolean;
  linkCheck: boolean;
  rxInterrupt: RxInterruptMode;
  /** Stay without ports, also without a prompt. */
  hotPlug: boolean;
  recordCycles: boolean;
  /** Work in the peer's own buffers where the mode and both ports can; else every packet is copied from or to an mbuf. */
  inPlace: boolean;
  hideZeroXstats: boolean;
}

export function defaultEalSettings(): EalSettings {
  return {
    allowed: [],
    vdevs: [],
    lcores: [],
    mainLcore: null,
    noHuge: false,
    memoryFileSystems: [],
    help: false,
    version: false,
  };
}

export function defaultSettings(): Settings {
  return {
    interactive: false,
    autoStart: false,
    txFirst: false,
    help: false,
    commandFile: null,
    commandFileEcho: false,
    statsPeriod: 0,
    mode: 'io',
    retry: false,
    burst: 32,
    burstTxRetries: 64,
    burstTxDelay: 1,
    txSegments: [64],
    nbCores: 1,
    portList: null,
    nbPorts: null,
    topology: 'paired',
    rxQueues: 1,
    txQueues: 1,
    rxDescriptors: 0,
    txDescriptors: 0,
    mbufSize: 2176,
    mbufs: 0,
    hugepages: true,
    ethPeers: new Map(),
    lscInterrupt: true,
    linkCheck: true,
    rxInterrupt: 'off',
    hotPlug: false,
    recordCycles: false,
    inPlace: true,
    hideZeroXstats: false,
  };
}

/** RX and TX descriptors at their most, a core's cache and a burst: testpmd's sum for one port and one core. */
export function poolSize(settings: Settings): number {
  return settings.mbufs || 2048 + 250 + 2048 + MAX_BURST;
}

export function peerMac(settings: Settings, port: number): string {
  return settings.ethPeers.get(port) ?? `02:00:00:00:00:${port.toString(16).padStart(2, '0').toUpperCase()}`;
}
