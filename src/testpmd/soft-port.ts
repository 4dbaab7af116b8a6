// SPDX-License-Identifier: BSD-3-Clause
// What is done in software for a port, as the prompt sets it: addresses, tags, hash, flow rules, queues that
// are stopped. A port for which nothing is set has no plan, and its lcores open the driver's own queues.
import type { Port } from '../ethdev/port.ts';
import { DISCARDS, discardMemory, totalDiscards } from '../offload/discards.ts';
import type { RssPlan, RxPlan, TxPlan } from '../offload/plan.ts';
import { DEFAULT_RSS_KEY, evenReta } from '../offload/rss.ts';
import { macBytes } from '../packet/mac.ts';
import type { Flow } from './flow-table.ts';
import { CHECKS_IP, CHECKS_TCP, CHECKS_UDP } from './fwd/engine.ts';
import { RSS_IP } from './text/rss-text.ts';

export type Role = 'rx' | 'tx';

/** Most addresses of a port, its own included. */
export const MAX_MACS = 64;
/** Most software queues of a port. */
export const MAX_SOFT_QUEUES = 64;

/** DPDK's rte_vlan_type defaults: IEEE 802.1Q, and 802.1ad outside. */
const TPIDS = { inner: 0x8100, outer: 0x88a8 };

/** What is done to received packets when it is asked for, by the bits of rte_ethdev.h. */
export const RX_MODE_BITS = {
  strip: 0x1,
  /** Wrong checksums are counted in mode csum. */
  ipCksum: 0x2,
  udpCksum: 0x4,
  tcpCksum: 0x8,
  qinqStrip: 0x20,
  filter: 0x200,
  extend: 0x400,
  /** The hash of a packet is kept with it, for `set verbose`. */
  rssHash: 0x80000,
} as const;
export type RxModes = Record<keyof typeof RX_MODE_BITS, boolean>;

/** The modes of a mask. */
export function rxModes(mask: number): RxModes {
  const modes = Object.entries(RX_MODE_BITS).map(([mode, bit]) => [mode, (mask & bit) !== 0]);
  return Object.fromEntries(modes) as RxModes;
}

export class SoftPort {
  /** Set by mac_addr set; null: the device's. */
  mac: string | null = null;
  /** Added addresses, in capitals. */
  readonly macs = new Set<string>();
  readonly multicast = new Set<string>();
  promiscuous = true;
  allmulticast: boolean;
  readonly modes: RxModes;
  /** Bit v: VLAN v passes the filter. */
  readonly vlans = new Uint8Array(512);
  readonly tpids = { ...TPIDS };
  /** Tags of sent packets: none, one, or inner and outer. */
  txTags: readonly number[] = [];
  pvid: number | null = null;
  rssKey = DEFAULT_RSS_KEY;
  /** RTE_ETH_RSS_* bits of this port alone; null: those of all. */
  rssTypes: number | null = null;
  /** Null: evenly over the queues. */
  reta: number[] | null = null;
  readonly flows: Flow[] = [];
  /** Descriptors of single queues, of a port without rings. */
  readonly ringSizes: Readonly<Record<Role, Map<number, number>>> = { rx: new Map(), tx: new Map() };
  /** What software has dropped, and had dropped when counters were cleared; null: nothing ever could be. */
  #discards: SharedArrayBuffer | null = null;
  #cleared: readonly number[] = DISCARDS.map(() => 0);
  readonly #stopped = { rx: new Set<number>(), tx: new Set<number>() };
  readonly #deferred = { rx: new Set<number>(), tx: new Set<number>() };

  /** `allmulticast`: as DPDK's driver of that name has it at first. */
  constructor(modes: RxModes, allmulticast: boolean) {
    this.modes = { ...modes };
    this.allmulticast = allmulticast;
  }

  isStopped(role: Role, queue: number): boolean {
    return this.#stopped[role].has(queue);
  }

  setStopped(role: Role, queue: number, stopped: boolean): void {
    if (stopped) this.#stopped[role].add(queue);
    else this.#stopped[role].delete(queue);
  }

  isDeferred(role: Role, queue: number): boolean {
    return this.#deferred[role].has(queue);
  }

  setDeferred(role: Role, queue: number, deferred: boolean): void {
    if (deferred) this.#deferred[role].add(queue);
    else this.#deferred[role].delete(queue);
  }

  /** The port starts: all of its queues do, but those that wait to be started. */
  started(): void {
    for (const role of ['rx', 'tx'] as const) {
      this.#stopped[role].clear();
      for (const queue of this.#deferred[role]) this.#stopped[role].add(queue);
    }
  }

  setVlan(id: number, passes: boolean): void {
    if (passes) this.vlans[id >>> 3] |= 1 << (id & 7);
    else this.vlans[id >>> 3] &= ~(1 << (id & 7));
  }

  /**
   * What happens to received packets; null: nothing. `queues` are to be in use; they are software's if they
   * are more than the device's. `types` are hashed unless the port has its own.
   */
  rxPlan(port: Port, queues: number, types: number): RxPlan | null {
    const { modes } = this;
    const deviceQueues = port.config.rxQueues;
    const spread = queues > deviceQueues;
    const rules = this.flows.map(({ rule }) => rule);
    const touched = modes.strip || modes.filter || modes.qinqStrip || modes.rssHash;
    const plain = !touched && rules.length === 0 && !spread;
    if (plain && this.promiscuous && this.allmulticast) return null;
    const own = [this.mac ?? port.info.mac, ...this.macs].map((mac) => macBytes(mac));
    return {
      unicast: this.promiscuous ? null : own,
      multicast:
        this.promiscuous || this.allmulticast ? null : [...this.multicast].map((mac) => macBytes(mac)),
      vlan: {
        strip: modes.strip,
        qinqStrip: modes.qinqStrip,
        extend: modes.extend,
        filter: modes.filter ? this.vlans : null,
      },
      tpids: this.tpids,
      rules,
      rss: spread || modes.rssHash ? this.#rss(types, spread ? this.retaFor(queues) : []) : null,
      keepsHash: modes.rssHash,
      queues: this.steers(queues, spread) ? queues : 0,
      deviceQueues,
      stopped: [...this.#stopped.rx],
      discards: this.#counters(port),
    };
  }

  /** Extended statistics; none while nothing has been done in software. */
  xstats(): (readonly [string, number])[] {
    if (this.#discards === null) return [];
    const totals = totalDiscards(this.#discards);
    return DISCARDS.map((name, i) => [name, totals[i] - this.#cleared[i]] as const);
  }

  clearStats(): void {
    if (this.#discards !== null) this.#cleared = totalDiscards(this.#discards);
  }

  #counters({ info, config }: Port): SharedArrayBuffer {
    this.#discards ??= discardMemory(Math.max(info.maxRxQueues, config.rxQueues));
    return this.#discards;
  }

  /** Without types for all ports, what --rss-ip hashes. */
  #rss(types: number, reta: readonly number[]): RssPlan {
    return { types: this.rssTypes ?? (types || RSS_IP), key: this.rssKey, reta };
  }

  /** Bits of the received checksums that mode csum checks. */
  get checks(): number {
    const { ipCksum, udpCksum, tcpCksum } = this.modes;
    return (ipCksum ? CHECKS_IP : 0) | (udpCksum ? CHECKS_UDP : 0) | (tcpCksum ? CHECKS_TCP : 0);
  }

  /** Whether a packet of one queue of the device may belong to several of `queues`. */
  steers(queues: number, spread: boolean): boolean {
    return spread || (queues > 1 && this.flows.some(({ rule }) => rule.actions.queue !== null));
  }

  /** What happens to packets that are sent; null: nothing. */
  txPlan(): TxPlan | null {
    const { tpids, txTags, pvid } = this;
    if (txTags.length === 0 && pvid === null) return null;
    const tag = (tpid: number) => (tci: number) => ({ tpid, tci });
    const [inner, outer] = txTags;
    return {
      tags: [
        ...(outer === undefined ? [] : [tag(tpids.outer)(outer)]),
        ...(inner === undefined ? [] : [tag(tpids.inner)(inner)]),
      ],
      pvid: pvid === null ? null : tag(tpids.inner)(pvid),
      tpids,
    };
  }

  /** The redirection table, of which entries for queues that are not there go to the first. */
  retaFor(queues: number): number[] {
    return (this.reta ?? evenReta(queues)).map((queue) => (queue < queues ? queue : 0));
  }
}

/** The ports of a session, and what all of them begin with. */
export class SoftPorts {
  /** By --rss-ip, --rss-udp or --enable-rss: queues that a device does not have are software's. */
  spreads = false;
  /** Which of them. */
  rssOption = '';
  /** RTE_ETH_RSS_* bits of what is hashed. */
  rssTypes = 0;
  modes: RxModes = rxModes(0);
  readonly #ports = new WeakMap<Port, SoftPort>();

  of(port: Port): SoftPort {
    const known = this.#ports.get(port) ?? new SoftPort(this.modes, port.info.driver !== 'net_tap');
    this.#ports.set(port, known);
    return known;
  }

  /** As after the start of the program. */
  reset(port: Port): void {
    this.#ports.delete(port);
  }

  /** The address of a port: what mac_addr set gave it, or the device's. */
  macOf(port: Port): string {
    return this.of(port).mac ?? port.info.mac;
  }

  /** The extended statistics of a port, with those of what software does for it. */
  xstats(port: Port): ReadonlyMap<string, number> {
    const own = this.of(port).xstats();
    return own.length === 0 ? port.xstats() : new Map([...port.xstats(), ...own]);
  }

  /** Whether `queues` receive queues of the port are software's. */
  spreadsPort(port: Port, queues: number): boolean {
    return this.spreads && queues > port.info.maxRxQueues;
  }

  /** RTE_ETH_RSS_* bits of what is hashed. */
  typesOf(port: Port): number {
    const { rssTypes, modes } = this.of(port);
    return rssTypes ?? (this.rssTypes || (modes.rssHash ? RSS_IP : 0));
  }

  /**
   * Whether software hashes what the port receives: its only queue, or several that the device does not have.
   */
  hashesPort(port: Port, queues: number): boolean {
    return queues === 1 || this.spreadsPort(port, queues);
  }

  /** What happens to packets that a port of `queues` receives, if they are software's; null: nothing. */
  rxPlan(port: Port, queues: number): RxPlan | null {
    const own = this.spreadsPort(port, queues) ? queues : port.config.rxQueues;
    return this.of(port).rxPlan(port, own, this.rssTypes);
  }

  /** How many of `wanted` queues to ask of a device: all, unless the rest are software's. */
  deviceQueues(wanted: number, most: number): number {
    return this.spreads ? Math.min(wanted, most) : wanted;
  }

  /** Most queues that all of these ports can have. */
  mostQueues(ports: readonly Port[]): number {
    return this.spreads ? MAX_SOFT_QUEUES : Math.min(...ports.map(({ info }) => info.maxRxQueues));
  }
}
