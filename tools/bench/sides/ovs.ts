// SPDX-License-Identifier: BSD-3-Clause
// Guests joined by Open vSwitch with DPDK: the switch has one CPU, all guests share the other one.
import { OvsSwitch, type OvsTuning } from '../../run/ovs.ts';
import { Watch } from '../../run/watch.ts';
import type { Workspace } from '../../run/workspace.ts';
import { runBoundMs, type Settings } from '../settings.ts';
import type { BackEnd } from './back-ends.ts';
import { beyond, type GuestsOptions, VirtioGuests } from './guests.ts';
import type { BenchPeer } from './peers.ts';

/** How the switch finds a packet's port: a flow for each port, or learnt addresses. */
export const FLOWS = ['fixed', 'normal'] as const;
export type Flows = (typeof FLOWS)[number];

/** How long the switch counts its cycles, at full rate. */
const CYCLES_SECONDS = 0.4;

export interface OvsSetUp {
  readonly flows: Flows;
  readonly tuning: OvsTuning;
  readonly guests: Omit<GuestsOptions, 'sockets'>;
  readonly ports: number;
  /** Only what the first port sends is forwarded. */
  readonly oneWay: boolean;
}

export class OvsBackEnd implements BackEnd {
  readonly sockets: readonly string[];
  readonly watch = new Watch();
  readonly #settings: Settings;
  readonly #workspace: Workspace;
  readonly #setUp: OvsSetUp;
  readonly #switch: OvsSwitch;
  #guests: VirtioGuests | undefined;
  #cycles: number | undefined;

  constructor(settings: Settings, workspace: Workspace, setUp: OvsSetUp) {
    this.#settings = settings;
    this.#workspace = workspace;
    this.#setUp = setUp;
    const { ports, tuning } = setUp;
    const { folder } = workspace;
    const maxRunMs = runBoundMs(settings);
    this.#switch = new OvsSwitch({ folder, cpu: settings.backEndCpu, ports, tuning, maxRunMs });
    this.watch.add(this.#switch.database);
    this.watch.add(this.#switch.daemon);
    this.sockets = this.#switch.sockets;
  }

  get pid(): number | undefined {
    return this.#switch.daemon.pid;
  }

  /** Share of what the guests sent that arrived nowhere, over all windows. */
  get lost(): number {
    return this.#guests?.lost ?? 0;
  }

  /** Packets that went round; known after stop(), if the guests were to count them. */
  get inFlight(): number | undefined {
    return this.#guests?.inFlight;
  }

  async start(): Promise<void> {
    await this.#switch.start();
    const { flows, ports } = this.#setUp;
    if (flows === 'normal') await this.#switch.addFlow('priority=1,actions=NORMAL');
    else
      for (let port = 0; port < ports; port++)
        await this.#switch.addFlow(`priority=1,in_port=p${port},actions=output:p${beyond(port, ports)}`);
  }

  createPeer(): BenchPeer {
    const guests = new VirtioGuests(this.#settings, this.#workspace, {
      ...this.#setUp.guests,
      sockets: this.sockets,
    });
    this.#guests = guests;
    const start = guests.start.bind(guests);
    guests.start = async () => {
      await start();
      // Only now: a switch that learns has to have seen the addresses of both ends.
      if (this.#setUp.oneWay) await this.#switch.addFlow('priority=2,in_port=p1,actions=drop');
      // And before the first pause, which would count as work.
      this.#cycles = await this.#switch.cyclesPerPacket(CYCLES_SECONDS);
    };
    return guests;
  }

  pause(): void {
    this.#switch.daemon.pause();
  }

  resume(): void {
    this.#switch.daemon.resume();
  }

  /** Of the switch; known when its guests have started. */
  cyclesPerPacket(): number | undefined {
    return this.#cycles;
  }

  async stop(): Promise<void> {
    await this.#switch.stop();
  }
}
