// SPDX-License-Identifier: BSD-3-Clause
// Two testpmd processes of one kind that share a memory: ours over RFC 2.1, and DPDK's on net_memif. One is
// the back-end of a side, the other its peer, which counts.
import { DpdkTestpmd } from '../../run/dpdk-testpmd.ts';
import { OurTestpmd } from '../../run/our-testpmd.ts';
import type { Testpmd } from '../../run/testpmd.ts';
import type { TestpmdOptions } from '../../run/testpmd-options.ts';
import { Watch } from '../../run/watch.ts';
import type { Workspace } from '../../run/workspace.ts';
import { type Case, ROLES } from '../cases.ts';
import { BURST, runBoundMs, type Settings, START_MS } from '../settings.ts';
import { type BackEnd, OUR_OPTIONS } from './back-ends.ts';
import { type BenchPeer, PromptPeer } from './peers.ts';
import { createLink, endOf, type Link } from './section-files.ts';

/**
 * As much data as memif has buffers: with less, the cores take lines from each other that are still in use.
 */
const SIDE_BYTES = 2 << 20;
/** Entries of memif's rings, as the logarithm: 2048 buffers of 2 KiB. A side of 2 MiB has 4096 entries. */
const MEMIF_RING_LOG2 = 11;

/** What differs between the two ends of a pair. */
interface End {
  readonly role: 'backEnd' | 'peer';
  readonly cpu: number;
  readonly forwarding: TestpmdOptions;
}

abstract class Pair<Kind extends Testpmd> implements BackEnd {
  readonly sockets: readonly string[] = [];
  readonly watch = new Watch();
  protected readonly settings: Settings;
  readonly #case: Case;
  #backEnd: Kind | undefined;

  constructor(settings: Settings, wanted: Case) {
    this.settings = settings;
    this.#case = wanted;
  }

  protected abstract create(end: End): Kind;
  protected version(_of: Kind | undefined): string | undefined {
    return undefined;
  }

  get pid(): number | undefined {
    return this.#backEnd?.pid;
  }

  get dpdkVersion(): string | undefined {
    return this.version(this.#backEnd);
  }

  async start(): Promise<void> {
    const forwardMode = ROLES[this.#case.direction].backEnd;
    const forwarding = { ...this.#common(), forwardMode, autoStart: true };
    this.#backEnd = this.create({ role: 'backEnd', cpu: this.settings.backEndCpu, forwarding });
    await this.watch.add(this.#backEnd).forwarding(START_MS);
  }

  createPeer(): BenchPeer {
    const forwardMode = ROLES[this.#case.direction].peer;
    const forwarding = { ...this.#common(), forwardMode, interactive: true };
    return new PromptPeer(this.create({ role: 'peer', cpu: this.settings.peerCpu, forwarding }));
  }

  pause(): void {
    this.#backEnd?.pause();
  }

  resume(): void {
    this.#backEnd?.resume();
  }

  async stop(): Promise<void> {
    await this.#backEnd?.stop();
  }

  #common(): TestpmdOptions {
    return { burst: BURST, frameSize: this.#case.size };
  }
}

/** net_ivshmem over two files in memory, each written by one end. */
export class SectionPair extends Pair<OurTestpmd> {
  readonly #link: Link;
  readonly #copying: boolean;

  /** `copying`: each packet is copied from and to mbufs, as net_memif does. */
  constructor(settings: Settings, wanted: Case, memory: Workspace, copying: boolean) {
    super(settings, wanted);
    this.#copying = copying;
    this.#link = createLink(memory, SIDE_BYTES);
  }

  protected create({ role, cpu, forwarding }: End): OurTestpmd {
    const more = [...OUR_OPTIONS, ...(this.#copying ? ['--no-in-place'] : [])];
    return new OurTestpmd({
      ...{ ...forwarding, more, cpu, hugepages: this.settings.hugepages, vfioUser: [] },
      vdevs: [endOf(this.#link, role === 'peer' ? 1 : 0, 0)],
      maxRunMs: runBoundMs(this.settings),
    });
  }
}

/** net_memif: the back-end is the server. `zeroCopy`: the client's rings point to its own mbufs. */
export class MemifPair extends Pair<DpdkTestpmd> {
  readonly #socket: string;
  readonly #folder: string;
  readonly #zeroCopy: boolean;

  constructor(settings: Settings, wanted: Case, workspace: Workspace, zeroCopy: boolean) {
    super(settings, wanted);
    this.#zeroCopy = zeroCopy;
    this.#socket = workspace.path('memif');
    this.#folder = workspace.folder;
  }

  protected override version(of: DpdkTestpmd | undefined): string | undefined {
    return of?.version;
  }

  protected create({ role, cpu, forwarding }: End): DpdkTestpmd {
    const memif = `net_memif0,socket=${this.#socket},socket-abstract=no,rsize=${MEMIF_RING_LOG2}`;
    const end = role === 'backEnd' ? 'role=server' : `role=client,zero-copy=${this.#zeroCopy ? 'yes' : 'no'}`;
    return new DpdkTestpmd({
      ...{ ...forwarding, cpu, hugepages: this.settings.hugepages, vdevs: [`${memif},${end}`] },
      name: `dpdk-testpmd (net_memif, ${role === 'backEnd' ? 'server' : 'client'})`,
      runtimeFolder: this.#folder,
      maxRunMs: runBoundMs(this.settings),
    });
  }
}
