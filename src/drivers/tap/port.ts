// SPDX-License-Identifier: BSD-3-Clause
// The port driver net_tap: an interface of this machine's kernel as a Port. The port receives what the kernel
// sends through the interface, and the kernel receives what the port sends. Queue i of the port, in both
// directions, is one file descriptor of the interface.
import { argumentError, requireInteger } from '../../arguments.ts';
import { PmdError } from '../../errors.ts';
import { BasePort } from '../../ethdev/base-port.ts';
import { formatDevargs } from '../../ethdev/devargs.ts';
import { MBUF_F_ECN, MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO } from '../../ethdev/mempool.ts';
import { ALL_OFFLOADS, consistentOffloads, describeOffloads } from '../../ethdev/offloads.ts';
import type {
  Port,
  PortConfig,
  PortDriver,
  PortInfo,
  PortLink,
  PortStats,
  QueueSpec,
} from '../../ethdev/port.ts';
import { RxInterruptCounters } from '../../ethdev/rx-interrupt-counters.ts';
import {
  clearedCounters,
  type PortCounters,
  portStats,
  portXstats,
  QueueCounters,
} from '../../ethdev/xstats.ts';
import { native, type TapQueueHandle } from '../../native.ts';
import { parseTapDevargs, TAP_DEVARGS, type TapDevargs } from './devargs.ts';
import { refuseNoTap, TapInterface } from './interface.ts';
import { TapRxQueue, TapTxQueue } from './queues.ts';

const DELETED = 'its interface was deleted: detach the port and attach it again';
const DRIVER = 'net_tap';
/** DPDK's RTE_PMD_TAP_MAX_QUEUES. */
const MAX_QUEUES = 16;
const LINK_SPEED_MBPS = 10_000;
const MIN_MTU = 68;
/** The kernel's limit for a tap: 65535 minus the Ethernet header. */
const MAX_MTU = 65_521;
/** A 64 KiB IP packet, an Ethernet header and two VLAN tags. */
const MAX_PKT_LEN = 65_557;

type Role = 'rx' | 'tx';

interface PortQueue {
  readonly handle: TapQueueHandle;
  readonly counters: QueueCounters;
  readonly interrupts: RxInterruptCounters;
}

class TapPort extends BasePort implements Port {
  config: PortConfig = { rxQueues: 1, txQueues: 1 };
  started = false;
  readonly #name: string;
  readonly #text: string;
  readonly #devargs: TapDevargs;
  readonly #queues: Readonly<Record<Role, PortQueue[]>> = { rx: [], tx: [] };
  #interface: TapInterface | null = null;
  /** Offloads that the forwarding target accepts. */
  #wanted = 0;
  /** Final counters, kept after the queues are gone. */
  #final: PortCounters | null = null;

  constructor(id: number, name: string, devargs: ReadonlyMap<string, string>) {
    super(id);
    this.#name = name;
    this.#text = formatDevargs(devargs);
    this.#devargs = parseTapDevargs(name, devargs);
    refuseNoTap(this.#devargs.iface);
  }

  protected get closed(): boolean {
    return this.#final !== null;
  }

  get info(): PortInfo {
    return {
      name: this.#name,
      driver: DRIVER,
      devargs: this.#text,
      mac: this.#interface?.mac ?? this.#devargs.mac ?? '00:00:00:00:00:00',
      mtu: this.#interface?.mtu ?? 1500,
      minMtu: MIN_MTU,
      maxMtu: MAX_MTU,
      maxRxQueues: MAX_QUEUES,
      maxTxQueues: MAX_QUEUES,
      minRxBufSize: 0,
      maxRxPktLen: MAX_PKT_LEN,
      rxInterrupts: true,
      minDescriptors: 0,
      maxDescriptors: 65_535,
      details: this.#details(),
    };
  }

  /** The kernel accepts every offload that the virtio-net header can express and that it supports. */
  get txOffloads(): number {
    return this.#interface?.segmentsUdp === false ? ALL_OFFLOADS & ~MBUF_F_USO : ALL_OFFLOADS;
  }

  /** Opens the interface; reopens it if the number of queues changed. */
  configure(config: PortConfig): void {
    this.requireConfigurable(config);
    this.#refuseQueues(config);
    if (this.#interface?.queues !== config.rxQueues) {
      this.#interface?.close();
      this.#interface = null;
      this.#interface = new TapInterface(this.#devargs, config.rxQueues);
      this.#offerOffloads();
    }
    for (const role of ['rx', 'tx'] as const) {
      while (this.#queues[role].length < config.rxQueues) this.#queues[role].push(newQueue(role));
    }
    this.config = { ...config };
  }

  start(): void {
    this.requireOpen('start');
    if (this.started) return;
    if (this.#interface === null) this.configure(this.config);
    if (this.#interface?.deleted)
      throw new PmdError('VPCI_REMOVED', `Failed to start port ${this.id}: ${DELETED}`);
    this.#interface?.setUp(true);
    this.started = true;
    const cutsUdp = this.#interface?.segmentsUdp ?? false;
    for (const role of ['rx', 'tx'] as const) {
      this.#interface?.fds.forEach((fd, i) => {
        native.tapQueueStart(this.#queues[role][i].handle, fd, cutsUdp);
      });
    }
  }

  stop(): void {
    if (!this.started) return;
    this.started = false;
    for (const { handle } of [...this.#queues.rx, ...this.#queues.tx]) native.tapQueueStop(handle);
    this.#interface?.setUp(false);
  }

  close(): void {
    if (this.#final !== null) return;
    this.stop();
    this.#final = this.#counters();
    for (const { handle } of [...this.#queues.rx, ...this.#queues.tx]) native.tapQueueDestroy(handle);
    this.#interface?.close();
    this.#interface = null;
  }

  link(): PortLink {
    if (this.started && this.#interface?.isUp) return { up: true, speed: LINK_SPEED_MBPS };
    return { up: false, speed: 0, ...(this.#interface?.deleted ? { reason: DELETED } : {}) };
  }

  setMtu(mtu: number): void {
    // The kernel decides which values are valid.
    requireInteger('setMtu()', 'mtu', mtu, 0, 0x7fff_ffff);
    this.requireOpen('set the MTU of');
    if (this.#interface) this.#interface.mtu = mtu;
  }

  /** As in DPDK's net_tap, the kernel's interface goes down. */
  setLink(up: boolean): void {
    if (typeof up !== 'boolean') throw argumentError('setLink()', 'up', 'true or false', up);
    this.requireOpen('set the link of');
    if (this.#interface === null) this.configure(this.config);
    this.#interface?.setLink(up);
    this.emit('link');
  }

  setRxOffloads(offloads: number): void {
    requireInteger('setRxOffloads()', 'offloads', offloads, 0, 0xffff);
    this.requireOpen('set the offloads of');
    this.#wanted = offloads;
    this.#offerOffloads();
  }

  #offerOffloads(): void {
    const set = this.#rxOffloads();
    this.#interface?.setOffloads({
      csum: (set & MBUF_F_NEEDS_CSUM) !== 0,
      tso4: (set & MBUF_F_TSO4) !== 0,
      tso6: (set & MBUF_F_TSO6) !== 0,
      ecn: (set & MBUF_F_ECN) !== 0,
      uso: (set & MBUF_F_USO) !== 0,
    });
  }

  stats(): PortStats {
    return portStats(this.#counters());
  }

  xstats(): ReadonlyMap<string, number> {
    const queues = this.#queues.rx.slice(0, this.config.rxQueues);
    return portXstats(
      this.#counters(),
      queues.flatMap(({ interrupts }, i) => interrupts.xstats(`rx_q${i}`)),
    );
  }

  clearStats(): void {
    if (this.#final !== null) {
      this.#final = clearedCounters(this.#final);
      return;
    }
    for (const { counters, interrupts } of [...this.#queues.rx, ...this.#queues.tx]) {
      counters.clear();
      interrupts.clear();
    }
  }

  rxQueueSpec(queue: number): QueueSpec {
    return this.#spec('rx', queue);
  }

  txQueueSpec(queue: number): QueueSpec {
    return this.#spec('tx', queue);
  }

  /** The port has no rings; the queue is the kernel's. */
  descriptors(role: Role, queue: number): number {
    this.requireRing(role, queue);
    return 0;
  }

  #rxOffloads(): number {
    return consistentOffloads(this.#wanted & this.#devargs.offloads & this.txOffloads);
  }

  #refuseQueues({ rxQueues, txQueues }: PortConfig): void {
    const fault = (cause: string) =>
      new PmdError('VPCI_QUEUE_COUNT', `Failed to configure ${this.#name}: ${cause}`);
    // The kernel spreads packets over all descriptors; those sent to a descriptor that is not read would be
    // lost.
    if (rxQueues !== txQueues)
      throw fault(`it needs as many RX as TX queues, not ${rxQueues} and ${txQueues}`);
    if (rxQueues < 1 || rxQueues > MAX_QUEUES)
      throw fault(`${rxQueues} queues requested, it has 1 to ${MAX_QUEUES}`);
  }

  #spec(role: Role, queue: number): QueueSpec {
    this.requireQueue(role, queue);
    const { handle, interrupts } = this.#queues[role][queue];
    const interrupt = { fd: this.#interface?.fds[queue] ?? -1, interrupts: interrupts.shared };
    const data = { handle, ...(role === 'rx' ? interrupt : {}) };
    return { driver: DRIVER, role, port: this.id, queue, data };
  }

  #counters(): PortCounters {
    if (this.#final !== null) return this.#final;
    const read = (role: Role) => this.#queues[role].map(({ counters }) => counters.read());
    return { rx: read('rx'), tx: read('tx'), used: this.config };
  }

  #details(): Record<string, string | number> {
    if (this.#interface === null) return {};
    return {
      Interface: this.#interface.name,
      'Offloads of received packets': describeOffloads(this.#rxOffloads()),
      Persistent: this.#devargs.persist ? 'yes' : 'no',
    };
  }
}

function newQueue(role: Role): PortQueue {
  const handle = native.tapQueueCreate(role);
  const counters = new QueueCounters(new BigUint64Array(native.tapQueueStats(handle)));
  return { handle, counters, interrupts: new RxInterruptCounters() };
}

/** See devargs.ts for its devargs. */
export const tapDriver: PortDriver = {
  name: DRIVER,
  keys: TAP_DEVARGS,
  probe: (id, name, devargs) => new TapPort(id, name, devargs),
  openRxQueue: (spec) => new TapRxQueue(spec),
  openTxQueue: (spec) => new TapTxQueue(spec),
};
