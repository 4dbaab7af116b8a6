// SPDX-License-Identifier: BSD-3-Clause
// The port of net_vhost_pci and of net_ivshmem: presents a device with engines as a Port. Queue i of the port
// is engine pair i of the device.
import { MIN_MTU } from '../../abi/vhost-pci.ts';
import type { EngineRole } from '../../engines/carrier.ts';
import type { DeviceEvents, EngineDevice } from '../../engines/device.ts';
import { PmdError } from '../../errors.ts';
import { BasePort } from '../../ethdev/base-port.ts';
import type { Port, PortConfig, PortInfo, PortLink, PortStats, QueueSpec } from '../../ethdev/port.ts';
import { RxInterruptCounters } from '../../ethdev/rx-interrupt-counters.ts';
import {
  clearedCounters,
  type PortCounters,
  portStats,
  portXstats,
  QueueCounters,
} from '../../ethdev/xstats.ts';
import { native, type QueueHandle } from '../../native.ts';
import { warn } from '../../warnings.ts';
import { offloadsTaken } from './offloads.ts';

export const DRIVER = 'net_vhost_pci';
/** Memory has no line rate; DPDK's net_vhost reports the same value. */
const LINK_SPEED_MBPS = 10_000;
const MTU = 1500;
/** A 64 KiB IP packet less the longest header before it. */
const MAX_MTU = 65_517;
/** Ethernet header and VLAN tag. */
const FRAME_OVERHEAD = 18;
/** A device that sends invalid messages must not fill the disk with error messages. */
const MAX_REPORTS = 32;

export interface VhostPciPortOptions {
  /** The driver whose port it is; default: net_vhost_pci. */
  readonly driver?: string;
  readonly id: number;
  readonly name: string;
  /** Maximum number of queues; default: all of the device. */
  readonly queues?: number;
  readonly mac?: string;
  readonly devargs?: string;
  /** Reports an error as one line; default: a warning. */
  readonly report?: (line: string) => void;
}

interface PortQueue {
  readonly handle: QueueHandle;
  readonly counters: QueueCounters;
  readonly interrupts: RxInterruptCounters;
}

export class VhostPciPort extends BasePort implements Port {
  readonly #options: VhostPciPortOptions;
  readonly #driver: string;
  readonly #device: EngineDevice;
  readonly #maxQueues: number;
  readonly #queues: Readonly<Record<EngineRole, readonly PortQueue[]>>;
  #config: PortConfig;
  #started = false;
  #reports = 0;
  /** Final counters, kept after the queues are gone. */
  #final: PortCounters | null = null;

  /**
   * `open` opens the device, which reports to `events` and which the port then owns. Throws VPCI_QUEUE_COUNT
   * if the device has fewer pairs than `options.queues`.
   */
  constructor(open: (events: DeviceEvents) => EngineDevice, options: VhostPciPortOptions) {
    super(options.id);
    this.#options = options;
    this.#driver = options.driver ?? DRIVER;
    const events = {
      onLink: () => this.emit('link'),
      onLinkReason: () => this.emit('reason'),
      onRemoved: () => this.emit('removed'),
      report: (line: string) => this.#report(line),
    };
    this.#device = open(events);
    const { queuePairs } = this.#device;
    this.#maxQueues = options.queues ?? queuePairs;
    if (this.#maxQueues > queuePairs) {
      this.#device.close();
      throw tooManyQueues(options.name, this.#maxQueues, queuePairs);
    }
    this.#queues = { rx: this.#openQueues('rx'), tx: this.#openQueues('tx') };
    this.#config = { rxQueues: this.#maxQueues, txQueues: this.#maxQueues };
  }

  protected get closed(): boolean {
    return this.#device.state === 'closed';
  }

  get config(): PortConfig {
    return this.#config;
  }

  get started(): boolean {
    return this.#started;
  }

  get info(): PortInfo {
    return {
      name: this.#options.name,
      driver: this.#driver,
      devargs: this.#options.devargs ?? '',
      mac: this.#options.mac ?? defaultMac(this.id),
      mtu: Math.min(this.#device.peerMtu || MTU, MAX_MTU),
      minMtu: MIN_MTU,
      maxMtu: Math.min(this.#device.maxPktLen - FRAME_OVERHEAD, MAX_MTU),
      maxRxQueues: this.#maxQueues,
      maxTxQueues: this.#maxQueues,
      minRxBufSize: 64,
      maxRxPktLen: this.#device.maxPktLen,
      rxInterrupts: this.#device.interrupts === 'eventfd',
      minDescriptors: 1,
      maxDescriptors: this.#device.maxDescriptors,
      details: this.#details(),
    };
  }

  /** The offloads that the peer's driver accepts; none without a peer, since the next one may accept less. */
  get txOffloads(): number {
    return this.#device.linkUp ? offloadsTaken(this.#device.peerFeatures) : 0;
  }

  configure(config: PortConfig): void {
    this.requireConfigurable(config);
    for (const count of [config.rxQueues, config.txQueues]) {
      if (count > this.#maxQueues) throw tooManyQueues(this.#options.name, count, this.#maxQueues);
    }
    this.#config = { ...config };
  }

  start(): void {
    this.requireOpen('start');
    if (this.#device.state !== 'live') {
      throw new PmdError(
        'VPCI_REMOVED',
        `Failed to start port ${this.id}: its device is ${this.#device.state}`,
      );
    }
    if (this.#started) return;
    this.#started = true;
    this.#device.startPort({ rx: this.#config.rxQueues, tx: this.#config.txQueues });
  }

  stop(): void {
    if (!this.#started) return;
    this.#started = false;
    if (this.#device.state !== 'closed') this.#device.stopPort();
  }

  close(): void {
    if (this.#device.state === 'closed') return;
    this.stop();
    this.#final = this.#counters();
    this.#device.close();
  }

  link(): PortLink {
    const { linkUp, linkReason } = this.#device;
    return linkUp ? { up: true, speed: LINK_SPEED_MBPS } : { up: false, speed: 0, reason: linkReason };
  }

  stats(): PortStats {
    return portStats(this.#counters());
  }

  xstats(): ReadonlyMap<string, number> {
    return portXstats(this.#counters(), this.#driverCounters());
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

  descriptors(role: 'rx' | 'tx', queue: number): number {
    this.requireRing(role, queue);
    return this.#device.engine(role, queue).ringSize;
  }

  #openQueues(role: EngineRole): PortQueue[] {
    return Array.from({ length: this.#maxQueues }, (_, pair) => {
      const handle = this.#device.engine(role, pair).queue;
      const counters = new QueueCounters(new BigUint64Array(native.queueStats(handle)));
      return { handle, counters, interrupts: new RxInterruptCounters() };
    });
  }

  #spec(role: EngineRole, queue: number): QueueSpec {
    this.requireQueue(role, queue);
    const { handle, interrupts } = this.#queues[role][queue];
    const interrupt = { interruptFd: this.#device.interruptFd(queue), interrupts: interrupts.shared };
    const data = { handle, ...(role === 'rx' ? interrupt : {}) };
    return { driver: this.#driver, role, port: this.id, queue, data };
  }

  #counters(): PortCounters {
    if (this.#final !== null) return this.#final;
    const read = (queues: readonly PortQueue[]) => queues.map(({ counters }) => counters.read());
    return { rx: read(this.#queues.rx), tx: read(this.#queues.tx), used: this.#config };
  }

  /**
   * Counters without a DPDK name. Errors of the device, as opposed to those of packets, are never cleared.
   */
  #driverCounters(): [string, number][] {
    const out: [string, number][] = [];
    for (let queue = 0; queue < this.#config.rxQueues; queue++) {
      out.push(...(this.#queues.rx[queue]?.interrupts.xstats(`rx_q${queue}`) ?? []));
    }
    for (const role of ['rx', 'tx'] as const) {
      const count = role === 'rx' ? this.#config.rxQueues : this.#config.txQueues;
      for (let queue = 0; queue < count; queue++) {
        out.push([`${role}_q${queue}_start_errors`, this.#device.engine(role, queue).startErrors]);
      }
    }
    out.push(...this.#device.counters());
    return out;
  }

  #details(): Record<string, string | number> {
    const device = this.#device;
    const details: Record<string, string | number> = Object.fromEntries(device.details());
    for (const role of ['rx', 'tx'] as const) {
      this.#queues[role].forEach((_, pair) => {
        const engine = device.engine(role, pair);
        const state = device.state === 'closed' ? 'stopped' : engine.state;
        details[engine.name] = `${state}, ${engine.ringSize} descriptors`;
      });
    }
    return details;
  }

  #report(line: string): void {
    this.#reports++;
    if (this.#reports > MAX_REPORTS) return;
    const write =
      this.#options.report ??
      ((text: string) => warn({ code: 'VPCI_DEVICE_REPORT', message: `${this.#driver}: ${text}` }));
    write(line);
    if (this.#reports === MAX_REPORTS) write('Further errors are counted in xstats, not printed');
  }
}

/** Locally administered, followed by "vpci" in ASCII and the port's number. */
export function defaultMac(id: number): string {
  return `02:76:70:63:69:${(id & 0xff).toString(16).padStart(2, '0').toUpperCase()}`;
}

function tooManyQueues(name: string, wanted: number, present: number): PmdError {
  return new PmdError(
    'VPCI_QUEUE_COUNT',
    `${name}: ${wanted} queues were requested, but the device has ${present} queue pairs`,
  );
}
