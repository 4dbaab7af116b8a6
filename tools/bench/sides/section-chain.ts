// SPDX-License-Identifier: BSD-3-Clause
// A ring of guests that all have this driver, joined by RFC 2.1: no guest sees the memory of another. Guests
// with even numbers share a CPU, those with odd numbers the other one, so that neighbours do not; of an odd
// number, the last and the first do.
import { quoteDevarg } from '../../../src/ethdev/devargs.ts';
import type { DeviceProcess } from '../../run/device-model.ts';
import { OurTestpmd } from '../../run/our-testpmd.ts';
import type { Rates } from '../../run/testpmd-output.ts';
import { Watch } from '../../run/watch.ts';
import { stopAll, type Workspace } from '../../run/workspace.ts';
import { runBoundMs, type Settings, START_MS } from '../settings.ts';
import { type BackEnd, OUR_OPTIONS, startDeviceModel } from './back-ends.ts';
import { drained, type GuestsOptions } from './guests.ts';
import { type BenchPeer, PromptPeer } from './peers.ts';
import { createLink, endOf, type Link } from './section-files.ts';

/** A ring of 512 buffers of 2 KiB each way: about what the guests of the other side have. */
const SIDE_BYTES = 1 << 20;

type Guests = Pick<GuestsOptions, 'forwardMode' | 'burst' | 'size' | 'txFirst' | 'countInFlight'>;

export class SectionChain implements BackEnd {
  readonly sockets: readonly string[];
  readonly watch = new Watch();
  readonly #settings: Settings;
  readonly #guests: Guests;
  readonly #links: readonly Link[];
  /** Of an open ring: device functions where the first guest would be. */
  readonly #ends: readonly DeviceProcess[];
  #even: OurTestpmd | undefined;
  #odd: SectionGuests | undefined;

  /** `memory`: where the sides lie. `open`: without the first guest; folder for the sockets in its place. */
  constructor(settings: Settings, memory: Workspace, length: number, guests: Guests, open?: Workspace) {
    this.#settings = settings;
    this.#guests = guests;
    this.#links = Array.from({ length }, () => createLink(memory, SIDE_BYTES));
    this.#ends = open ? [0, 1].map((port) => this.watch.add(startDeviceModel(settings, open, port))) : [];
    this.sockets = this.#ends.map(({ vhostUser }) => vhostUser);
  }

  get pid(): number | undefined {
    return this.#even?.pid;
  }

  /** Packets that went round; known after stop(), if they were to be counted. */
  get inFlight(): number | undefined {
    return this.#odd?.inFlight;
  }

  async start(): Promise<void> {
    for (const device of this.#ends) await device.ready(START_MS);
    this.#even = this.watch.add(this.#testpmd(0, this.#settings.backEndCpu));
    await this.#even.prompt(START_MS);
  }

  /** Of an open ring, whose other guests nobody else starts. */
  async forward(): Promise<void> {
    await this.createPeer().start();
  }

  createPeer(): BenchPeer {
    const odd = this.#testpmd(1, this.#settings.peerCpu);
    this.#odd = new SectionGuests(odd, this.#even as OurTestpmd, this.#guests);
    return this.#odd;
  }

  pause(): void {
    this.#even?.pause();
  }

  resume(): void {
    this.#even?.resume();
  }

  async stop(): Promise<void> {
    if (this.#ends.length > 0) await this.#odd?.stop();
    await stopAll([this.#even, ...this.#ends]);
  }

  #testpmd(parity: 0 | 1, cpu: number): OurTestpmd {
    const { forwardMode, burst, size } = this.#guests;
    return new OurTestpmd({
      ...{ forwardMode, burst, frameSize: size, interactive: true },
      more: OUR_OPTIONS,
      ...{ cpu, hugepages: this.#settings.hugepages, vfioUser: [] },
      vdevs: portsOfGuests(
        this.#links,
        parity,
        this.#ends.map(({ vfioUser }) => vfioUser),
      ),
      maxRunMs: runBoundMs(this.#settings),
    });
  }
}

/** The guests with odd numbers, whose ports count; the others start and stop with them. */
class SectionGuests extends PromptPeer<OurTestpmd> {
  readonly #others: OurTestpmd;
  readonly #guests: Guests;
  #ports = 0;
  #inFlight: number | undefined;

  constructor(testpmd: OurTestpmd, others: OurTestpmd, guests: Guests) {
    super(testpmd);
    this.#others = others;
    this.#guests = guests;
  }

  get inFlight(): number | undefined {
    return this.#inFlight;
  }

  override async start(): Promise<void> {
    await this.testpmd.prompt(START_MS);
    const { txFirst } = this.#guests;
    for (const guests of [this.#others, this.testpmd]) await guests.startForwarding(START_MS, txFirst);
    this.#ports = (await this.testpmd.statistics(START_MS)).length;
  }

  /** What arrives at a port. */
  override async measure(seconds: number): Promise<Rates> {
    const { rxPps } = await super.measure(seconds);
    return { rxPps: rxPps / this.#ports, txPps: rxPps / this.#ports };
  }

  override async stop(): Promise<void> {
    const both = [this.#others, this.testpmd];
    if (this.#guests.countInFlight && both.every(({ exit }) => exit === undefined)) {
      for (const guests of both) guests.resume();
      this.#inFlight = await drained(both);
    }
    await super.stop();
  }
}

/**
 * The --vdev arguments of every second guest, two each. Link i joins the guests i and i + 1. `ends`: device
 * functions instead of the first guest.
 */
export function portsOfGuests(
  links: readonly Link[],
  parity: 0 | 1,
  [first, last]: readonly string[] = [],
): string[] {
  const ports: string[] = [];
  for (let guest = parity; guest < links.length; guest += 2) {
    if (guest === 0 && first) continue;
    const ofFunction = (path: string) => `net_vhost_pci${ports.length},path=${quoteDevarg(path)}`;
    ports.push(
      first && guest === 1 ? ofFunction(first) : endOf(links.at(guest - 1) as Link, 1, ports.length),
    );
    const isLast = last && guest === links.length - 1;
    ports.push(isLast ? ofFunction(last) : endOf(links[guest] as Link, 0, ports.length));
  }
  return ports;
}
