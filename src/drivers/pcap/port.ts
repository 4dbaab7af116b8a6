// SPDX-License-Identifier: BSD-3-Clause
// net_pcap, as in DPDK: receive reads capture files or interfaces, transmit writes to them. A port with
// neither in one direction has as many queues there, which receive nothing, or take packets and drop them.
// Files are read from the beginning and written anew at each start of the port.
import type { FileSink } from '../../capture/block-buffer.ts';
import { ETHERNET } from '../../capture/packet.ts';
import { CaptureFile } from '../../capture/reader.ts';
import { PmdError } from '../../errors.ts';
import { BasePort } from '../../ethdev/base-port.ts';
import { formatDevargs } from '../../ethdev/devargs.ts';
import { MBUF_F_NEEDS_CSUM } from '../../ethdev/mempool.ts';
import { ALL_OFFLOADS } from '../../ethdev/offloads.ts';
import type {
  Port,
  PortConfig,
  PortDriver,
  PortInfo,
  PortLink,
  PortStats,
  QueueSpec,
} from '../../ethdev/port.ts';
import { LinkWatch } from '../link-watch.ts';
import { PCAP_KEYS, PCAP_REPEATABLE, type PcapDevargs, parsePcapDevargs } from './devargs.ts';
import { claimFiles, releaseFiles } from './files.ts';
import { Gate } from './gate.ts';
import { InterfaceRxQueue, InterfaceTxQueue } from './interface-queues.ts';
import { Interfaces } from './interfaces.ts';
import {
  BYTES,
  COUNTERS,
  createCapture,
  DropTxQueue,
  ERRORS,
  GENERATION,
  NOMBUF,
  NoFileRxQueue,
  PACKETS,
  PcapRxQueue,
  PcapTxQueue,
  STARTED,
  TAKEN,
} from './queues.ts';

const DRIVER = 'net_pcap';
const LINK_SPEED_MBPS = 10_000;
const MAX_MTU = 65_521;
const MAX_PKT_LEN = 65_535;
type Role = 'rx' | 'tx';

class PcapPort extends BasePort implements Port {
  readonly info: PortInfo;
  config: PortConfig = { rxQueues: 1, txQueues: 1 };
  started = false;
  /**
   * A capture shows large segments as its host's stack has made them; an interface takes none. Checksums are
   * completed.
   */
  readonly txOffloads: number;
  protected closed = false;
  readonly #devargs: PcapDevargs;
  readonly #interfaces: Interfaces;
  /** Of a port on interfaces. */
  readonly #watch: LinkWatch | null;
  /** What listeners know. */
  #told: PortLink = { up: false, speed: 0 };
  #missedZero = 0;
  /** The files that it writes, while it is started: no other process may begin them. */
  #written: FileSink[] = [];
  readonly #queues: Readonly<Record<Role, Float64Array[]>>;
  readonly #zero: Record<Role, number[][]>;

  constructor(id: number, name: string, values: ReadonlyMap<string, string>) {
    super(id);
    this.#devargs = parsePcapDevargs(name, values);
    for (const path of this.#devargs.rx) requireEthernet(path);
    claimFiles(this, `probe ${name}`, this.#devargs);
    try {
      this.#interfaces = new Interfaces(this.#devargs);
    } catch (error) {
      releaseFiles(this);
      throw error;
    }
    const [rx, tx] = [this.#interfaces.rx, this.#interfaces.tx];
    this.#watch = rx.length + tx.length > 0 ? new LinkWatch(() => this.#tell()) : null;
    this.txOffloads = tx.length > 0 ? MBUF_F_NEEDS_CSUM : ALL_OFFLOADS;
    const [rxGiven, txGiven] = [this.#devargs.rx.length || rx.length, this.#devargs.tx.length || tx.length];
    const [rxQueues, txQueues] = [rxGiven || txGiven, txGiven || rxGiven];
    const counters = (length: number) =>
      Array.from({ length }, () => new Float64Array(new SharedArrayBuffer(COUNTERS * 8)));
    this.#queues = { rx: counters(rxQueues), tx: counters(txQueues) };
    this.#zero = { rx: [], tx: [] };
    this.clearStats();
    const info = pcapInfo(id, name, values, this.#devargs, { rxQueues, txQueues });
    const { mac } = this.#interfaces;
    this.info = this.#devargs.phyMac && mac !== null ? { ...info, mac } : info;
  }

  configure(config: PortConfig): void {
    this.requireConfigurable(config);
    this.requireQueueCounts(config, (role) => `, one for each ${role}_pcap=`);
    this.config = { ...config };
  }

  start(): void {
    this.requireOpen('start');
    if (this.started) return;
    const lost = this.#interfaces.lost();
    if (lost !== null) throw new PmdError('VPCI_REMOVED', `Failed to start port ${this.id}: ${lost}`);
    claimFiles(this, `start port ${this.id}`, this.#devargs);
    this.#makeFiles();
    this.#interfaces.drain();
    for (const queue of this.#all()) {
      queue[GENERATION]++;
      queue[TAKEN] = 0;
    }
    this.#setStarted(true);
    this.#told = this.link();
  }

  /** Either all or none. */
  #makeFiles(): void {
    this.#leaveFiles();
    try {
      for (const path of this.#devargs.tx.slice(0, this.config.txQueues))
        this.#written.push(createCapture(path));
    } catch (error) {
      this.#leaveFiles();
      throw error;
    }
  }

  #leaveFiles(): void {
    for (const file of this.#written.splice(0)) file.close();
  }

  stop(): void {
    this.#setStarted(false);
    this.#leaveFiles();
  }

  close(): void {
    if (!this.closed) this.#watch?.close();
    this.closed = true;
    releaseFiles(this);
    this.stop();
    const gates = this.#all().map(({ buffer }) => new Gate(buffer as SharedArrayBuffer).close());
    this.#interfaces.close(gates.includes(false));
  }

  link(): PortLink {
    const fault = this.closed ? null : this.#interfaces.fault();
    if (this.started && fault === null) return { up: true, speed: LINK_SPEED_MBPS };
    return { up: false, speed: 0, ...(fault === null ? {} : { reason: fault }) };
  }

  /** An interface of the kernel has changed, maybe one of ours. */
  #tell(): void {
    if (!this.started) return;
    const [before, now] = [this.#told, this.link()];
    this.#told = now;
    if (now.up !== before.up) this.emit('link');
    if (!now.up && now.reason !== before.reason) this.emit('reason');
  }

  stats(): PortStats {
    const sum = (role: Role, at: number) =>
      this.#queues[role].reduce((total, _, queue) => total + this.#count(role, queue, at), 0);
    return {
      ipackets: sum('rx', PACKETS),
      opackets: sum('tx', PACKETS),
      ibytes: sum('rx', BYTES),
      obytes: sum('tx', BYTES),
      imissed: this.#interfaces.missed() - this.#missedZero,
      ierrors: sum('rx', ERRORS),
      oerrors: sum('tx', ERRORS),
      rxNombuf: sum('rx', NOMBUF),
    };
  }

  xstats(): ReadonlyMap<string, number> {
    const stats = this.stats();
    const xstats = new Map<string, number>([
      ['rx_good_packets', stats.ipackets],
      ['tx_good_packets', stats.opackets],
      ['rx_good_bytes', stats.ibytes],
      ['tx_good_bytes', stats.obytes],
      ['rx_missed_errors', stats.imissed],
      ['rx_errors', stats.ierrors],
      ['tx_errors', stats.oerrors],
      ['rx_mbuf_allocation_errors', stats.rxNombuf],
    ]);
    for (const role of ['rx', 'tx'] as const) {
      const used = role === 'rx' ? this.config.rxQueues : this.config.txQueues;
      for (let q = 0; q < used; q++) {
        xstats.set(`${role}_q${q}_packets`, this.#count(role, q, PACKETS));
        xstats.set(`${role}_q${q}_bytes`, this.#count(role, q, BYTES));
        if (role === 'rx') xstats.set(`rx_q${q}_errors`, this.#count(role, q, ERRORS));
      }
    }
    return xstats;
  }

  clearStats(): void {
    this.#missedZero = this.#interfaces.missed();
    for (const role of ['rx', 'tx'] as const) this.#zero[role] = this.#queues[role].map((live) => [...live]);
  }

  rxQueueSpec(queue: number): QueueSpec {
    this.requireQueue('rx', queue);
    return this.#spec('rx', queue, this.#devargs.rx[queue], this.#interfaces.rx[queue]);
  }

  txQueueSpec(queue: number): QueueSpec {
    this.requireQueue('tx', queue);
    return this.#spec('tx', queue, this.#devargs.tx[queue], this.#interfaces.tx[queue]);
  }

  /** The port has no rings. */
  descriptors(role: Role, queue: number): number {
    this.requireRing(role, queue);
    return 0;
  }

  #all(): Float64Array[] {
    return [...this.#queues.rx, ...this.#queues.tx];
  }

  #setStarted(started: boolean): void {
    this.started = started;
    for (const queue of this.#all()) queue[STARTED] = Number(started);
  }

  #count(role: Role, queue: number, at: number): number {
    return this.#queues[role][queue][at] - this.#zero[role][queue][at];
  }

  #spec(role: Role, queue: number, path = '', fd = -1): QueueSpec {
    const data = {
      counters: this.#queues[role][queue].buffer as SharedArrayBuffer,
      path,
      fd,
      infinite: Number(this.#devargs.infinite),
    };
    return { driver: DRIVER, role, port: this.id, queue, data };
  }
}

/** Throws where the file is none, or its first packet not of Ethernet. */
function requireEthernet(path: string): void {
  const file = CaptureFile.open(path);
  try {
    const { linkType = ETHERNET } = file.next() ?? {};
    if (linkType === ETHERNET) return;
    throw new PmdError(
      'VPCI_CAPTURE_FILE',
      `Failed to read ${path}: its packets are of link type ${linkType}, and this port has Ethernet (1)`,
    );
  } finally {
    file.close();
  }
}

function pcapInfo(
  id: number,
  name: string,
  values: ReadonlyMap<string, string>,
  { rx, tx, rxInterfaces, txInterfaces, both }: PcapDevargs,
  { rxQueues, txQueues }: PortConfig,
): PortInfo {
  return {
    name,
    driver: DRIVER,
    devargs: formatDevargs(values),
    // Locally administered, followed by "pcap" in ASCII, as in DPDK.
    mac: `02:70:63:61:70:${id.toString(16).padStart(2, '0')}`,
    mtu: 1500,
    minMtu: 68,
    maxMtu: MAX_MTU,
    maxRxQueues: rxQueues,
    maxTxQueues: txQueues,
    minRxBufSize: 0,
    maxRxPktLen: MAX_PKT_LEN,
    rxInterrupts: true,
    minDescriptors: 0,
    maxDescriptors: 65_535,
    details: {
      ...Object.fromEntries(rx.map((path, queue) => [`RX file ${queue}`, path])),
      ...Object.fromEntries(tx.map((path, queue) => [`TX file ${queue}`, path])),
      ...Object.fromEntries(rxInterfaces.map((one, queue) => [`RX interface ${queue}`, one.name])),
      ...Object.fromEntries(txInterfaces.map((one, queue) => [`TX interface ${queue}`, one.name])),
      ...(both === null ? {} : { Interface: both.name }),
    },
  };
}

export const pcapDriver: PortDriver = {
  name: DRIVER,
  keys: PCAP_KEYS,
  repeatable: PCAP_REPEATABLE,
  probe: (id, name, values) => new PcapPort(id, name, values),
  openRxQueue(spec) {
    if (spec.data.fd !== -1) return new InterfaceRxQueue(spec);
    return spec.data.path === '' ? new NoFileRxQueue() : new PcapRxQueue(spec);
  },
  openTxQueue(spec) {
    if (spec.data.fd !== -1) return new InterfaceTxQueue(spec);
    return spec.data.path === '' ? new DropTxQueue(spec) : new PcapTxQueue(spec);
  },
};
