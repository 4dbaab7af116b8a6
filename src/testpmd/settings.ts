// SPDX-License-Identifier: BSD-3-Clause
// Settings made by the command line and the `set` commands. Defaults are testpmd's.

import type { LcorePlace } from '../lcore/lcore-list.ts';
import type { MetricsAddress } from '../telemetry/metrics-server.ts';
import { DEFAULT_PREFIX } from '../telemetry/socket-path.ts';
import type { CsumPlan } from './fwd/engine.ts';
import { defaultTraffic, type TrafficPlan } from './fwd/traffic.ts';
import { SoftPorts } from './soft-port.ts';

export const MAX_BURST = 512;
/** Most bursts that packets wait for GRO. */
export const GRO_MAX_CYCLES = 4;
/** A burst of as many segments fills the largest vector of mbufs. */
export const MAX_TX_SEGMENTS = 64;
/** Bytes of headroom in an mbuf of --mbuf-size. */
export const MBUF_HEADROOM = 128;
/**
 * Limit of --mbuf-size, as for a pool (mempool.ts): the whole cache lines within the 65535 bytes a 16-bit
 * offset can address.
 */
export const MAX_MBUF_SIZE = 65472;

/**
 * What a forwarding lcore does when no packets arrive: keep polling, sleep at once, or poll for a while and
 * then sleep.
 */
export const RX_INTERRUPT_MODES = ['off', 'on', 'adaptive'] as const;
export type RxInterruptMode = (typeof RX_INTERRUPT_MODES)[number];

/**
 * Number of empty polls after which an lcore sleeps; 0: never. Adaptive: about 0.1 ms, far longer than the
 * pauses of a sender under load and far too short to show in CPU usage.
 */
export const EMPTY_POLLS: Readonly<Record<RxInterruptMode, number>> = { off: 0, on: 1, adaptive: 1000 };

export type Topology = 'paired' | 'chained' | 'loop';

export interface EalSettings {
  /** PCI devices, with their arguments. */
  allowed: string[];
  vdevs: string[];
  /** If empty, all CPUs that the process may use. */
  lcores: LcorePlace[];
  mainLcore: number | null;
  /** The telemetry socket: by default it is opened if it can be. */
  telemetry: 'default' | 'on' | 'off';
  filePrefix: string;
  /** Where to serve OpenMetrics, if anywhere. */
  metrics: MetricsAddress | null;
  noHuge: boolean;
  /** File systems accepted for peer memory in addition to the safe ones. */
  memoryFileSystems: string[];
  help: boolean;
  version: boolean;
  /** -v: print the version and go on. */
  showVersion: boolean;
}

export interface Settings {
  interactive: boolean;
  autoStart: boolean;
  txFirst: boolean;
  help: boolean;
  /** Command file to run before the prompt, and whether its commands are echoed. */
  commandFile: string | null;
  commandFileEcho: boolean;
  /** Seconds between statistics displays; 0 for none. */
  statsPeriod: number;
  mode: string;
  retry: boolean;
  /** Packets per burst. */
  burst: number;
  burstTxRetries: number;
  /** Microseconds. */
  burstTxDelay: number;
  txSegments: number[];
  /** Of the modes txonly, flowgen and noisy. */
  traffic: TrafficPlan;
  nbCores: number;
  /** Ids of the forwarding lcores; null for the first ones. */
  coreList: number[] | null;
  /** Ids of the forwarding ports; null for all. */
  portList: number[] | null;
  nbPorts: number | null;
  /** --num-procs and --proc-id: one process has all ports. */
  procs: number;
  procId: number;
  topology: Topology;
  rxQueues: number;
  txQueues: number;
  rxDescriptors: number;
  /** Masks of rte_ethdev.h: offloads that all ports must have. */
  rxOffloads: number;
  txOffloads: number;
  /** Longest frame with its check sequence; null: as ports have it. */
  maxPktLen: number | null;
  txDescriptors: number;
  /** Size of an mbuf in bytes, including headroom. */
  mbufSize: number;
  /** mbufs in an lcore's pool; 0: the number testpmd computes for one port. */
  mbufs: number;
  /** Use hugepages for packet memory if any are available. */
  hugepages: boolean;
  /** By port id; the default is 02:00:00:00:00:<id>. */
  ethPeers: Map<number, string>;
  /** By TX port; the default is all in software. */
  csum: Map<number, CsumPlan>;
  /** Ports that segment and merge TCP packets in mode csum, and how. */
  gsoPorts: Set<number>;
  gsoSize: number;
  groPorts: Set<number>;
  groCycles: number;
  /** What is done in software for ports. */
  readonly soft: SoftPorts;
  lscInterrupt: boolean;
  linkCheck: boolean;
  rxInterrupt: RxInterruptMode;
  /** Keep running without ports, even without a prompt. */
  hotPlug: boolean;
  recordCycles: boolean;
  recordBursts: boolean;
  /** The lcores of --latencystats and --bitrate-stats; null: there are no such figures. */
  latencyLcore: number | null;
  bitrateLcore: number | null;
  /**
   * Work in the peer's own buffers where the mode and both ports support it; otherwise copy every packet from
   * or to an mbuf.
   */
  inPlace: boolean;
  hideZeroXstats: boolean;
  /** Shown with --stats-period. */
  displayXstats: string[];
  /** What options have no effect on these ports, to be told at the start. */
  notes: string[];
  /** Packets to print: 1 received, 2 sent, more than 2 all, 0 none. */
  verbose: number;
}

export function defaultEalSettings(): EalSettings {
  return {
    allowed: [],
    vdevs: [],
    lcores: [],
    mainLcore: null,
    telemetry: 'default',
    filePrefix: DEFAULT_PREFIX,
    metrics: null,
    noHuge: false,
    memoryFileSystems: [],
    help: false,
    version: false,
    showVersion: false,
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
    traffic: defaultTraffic(),
    nbCores: 1,
    coreList: null,
    portList: null,
    nbPorts: null,
    procs: 1,
    procId: 0,
    topology: 'paired',
    rxQueues: 1,
    txQueues: 1,
    rxDescriptors: 0,
    rxOffloads: 0,
    txOffloads: 0,
    maxPktLen: null,
    txDescriptors: 0,
    mbufSize: 2176,
    mbufs: 0,
    hugepages: true,
    ethPeers: new Map(),
    csum: new Map(),
    gsoPorts: new Set(),
    gsoSize: 1514,
    groPorts: new Set(),
    groCycles: 1,
    soft: new SoftPorts(),
    lscInterrupt: true,
    linkCheck: true,
    rxInterrupt: 'off',
    hotPlug: false,
    recordCycles: false,
    recordBursts: false,
    latencyLcore: null,
    bitrateLcore: null,
    inPlace: true,
    hideZeroXstats: false,
    displayXstats: [],
    notes: [],
    verbose: 0,
  };
}

/**
 * testpmd's formula for one port and one core: maximum RX and TX descriptors, a core's mbuf cache and a
 * burst.
 */
export function poolSize(settings: Settings): number {
  return settings.mbufs || 2048 + 250 + 2048 + MAX_BURST;
}

export function peerMac(settings: Settings, port: number): string {
  return settings.ethPeers.get(port) ?? `02:00:00:00:00:${port.toString(16).padStart(2, '0').toUpperCase()}`;
}

/** Bits of --tx-offloads. */
const TX_BITS = { ip: 0x2, udp: 0x4, tcp: 0x8, sctp: 0x10, outerIp: 0x80, outerUdp: 0x400000 } as const;

/** How mode csum computes the checksums of what a port sends. */
export function csumPlan({ csum, txOffloads }: Settings, port: number): CsumPlan {
  const by = (layer: keyof typeof TX_BITS) => ((txOffloads & TX_BITS[layer]) !== 0 ? 'hw' : 'sw');
  return (
    csum.get(port) ?? {
      ip: by('ip'),
      udp: by('udp'),
      tcp: by('tcp'),
      sctp: by('sctp'),
      outerIp: by('outerIp'),
      outerUdp: by('outerUdp'),
      macSwap: true,
    }
  );
}
