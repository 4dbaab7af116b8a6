// SPDX-License-Identifier: BSD-3-Clause
// A ring of guests over vhost-pci links. RFC 2.0 joins a guest with this driver to one with virtio-net, so
// the two kinds take turns; of an odd number, two neighbours have this driver, and RFC 2.1 joins them. All
// guests of a kind share a CPU, and one loop polls their ports.
import { quoteDevarg } from '../../../src/ethdev/devargs.ts';
import type { DeviceProcess } from '../../run/device-model.ts';
import { OurTestpmd } from '../../run/our-testpmd.ts';
import { Watch } from '../../run/watch.ts';
import { stopAll, type Workspace } from '../../run/workspace.ts';
import { runBoundMs, type Settings, START_MS } from '../settings.ts';
import { type BackEnd, OUR_OPTIONS, startDeviceModel } from './back-ends.ts';
import { type GuestsOptions, VirtioGuests } from './guests.ts';
import type { BenchPeer } from './peers.ts';
import { createLink, endOf, type Link } from './section-files.ts';

const SECTION_BYTES = 1 << 20;

/** Of a ring of so many: guests with virtio-net, and guests with this driver. */
export const kindsOf = (guests: number) => ({ virtio: guests >> 1, pmd: guests - (guests >> 1) });

export class ChainBackEnd implements BackEnd {
  readonly sockets: readonly string[];
  readonly watch = new Watch();
  readonly #settings: Settings;
  readonly #workspace: Workspace;
  readonly #guests: Omit<GuestsOptions, 'sockets'>;
  readonly #devices: readonly DeviceProcess[];
  readonly #vdevs: readonly string[];
  #testpmd: OurTestpmd | undefined;
  #peer: VirtioGuests | undefined;

  /** `memory`: where the sides of RFC 2.1 lie. */
  constructor(
    settings: Settings,
    workspace: Workspace,
    memory: Workspace,
    length: number,
    guests: Omit<GuestsOptions, 'sockets'>,
  ) {
    this.#settings = settings;
    this.#workspace = workspace;
    this.#guests = guests;
    this.#devices = Array.from({ length: 2 * kindsOf(length).virtio }, (_, port) =>
      this.watch.add(startDeviceModel(settings, workspace, port)),
    );
    this.sockets = this.#devices.map(({ vhostUser }) => vhostUser);
    this.#vdevs = portsOfPmdGuests(
      this.#devices.map(({ vfioUser }) => vfioUser),
      length % 2 === 1 ? createLink(memory, SECTION_BYTES) : undefined,
    );
  }

  get pid(): number | undefined {
    return this.#testpmd?.pid;
  }

  /** Packets that went round; known after stop(), if the guests were to count them. */
  get inFlight(): number | undefined {
    return this.#peer?.inFlight;
  }

  get lost(): number {
    return this.#peer?.lost ?? 0;
  }

  async start(): Promise<void> {
    for (const device of this.#devices) await device.ready(START_MS);
    const { forwardMode, burst, size } = this.#guests;
    this.#testpmd = new OurTestpmd({
      ...{ forwardMode, burst, frameSize: size, interactive: true },
      more: OUR_OPTIONS,
      ...{ cpu: this.#settings.backEndCpu, hugepages: this.#settings.hugepages, vfioUser: [] },
      vdevs: this.#vdevs,
      maxRunMs: runBoundMs(this.#settings),
    });
    await this.watch.add(this.#testpmd).prompt(START_MS);
  }

  async forward(txFirst = 0): Promise<void> {
    await this.#testpmd?.startForwarding(START_MS, txFirst);
  }

  createPeer(): BenchPeer {
    this.#peer = new VirtioGuests(this.#settings, this.#workspace, {
      ...this.#guests,
      sockets: this.sockets,
      connected: () => this.forward(this.#guests.txFirst),
    });
    return this.#peer;
  }

  pause(): void {
    this.#testpmd?.pause();
  }

  resume(): void {
    this.#testpmd?.resume();
  }

  async stop(): Promise<void> {
    await stopAll([this.#testpmd, ...this.#devices]);
  }
}

/**
 * The --vdev arguments of all guests with this driver, two each. Guest i is between the guests i and i + 1
 * with virtio-net, whose ports are the given ones; `link` joins the last two.
 */
export function portsOfPmdGuests(functions: readonly string[], link: Link | undefined): string[] {
  const functionPort = (at: number) => `net_vhost_pci${at},path=${quoteDevarg(`${functions[at]}`)}`;
  const ring = [...functions.keys()].slice(1).map(functionPort);
  if (link) ring.push(endOf(link, 0, 0), endOf(link, 1, 1));
  return [...ring, functionPort(0)];
}
