// SPDX-License-Identifier: BSD-3-Clause
// The measured back-ends: each listens on a vhost-user socket and works the peer's rings. Ours is the device
// model and vhost-pci-testpmd, DPDK's is its testpmd on net_vhost; both get the same testpmd options.
import { DeviceProcess } from '../../run/device-model.ts';
import { DpdkTestpmd } from '../../run/dpdk-testpmd.ts';
import { OurTestpmd } from '../../run/our-testpmd.ts';
import { MBUFS, type TestpmdOptions } from '../../run/testpmd-options.ts';
import { cyclesPerPacket } from '../../run/testpmd-output.ts';
import { Watch } from '../../run/watch.ts';
import { stopAll, type Workspace } from '../../run/workspace.ts';
import { type Case, ROLES } from '../cases.ts';
import { BURST, runBoundMs, type Settings, START_MS } from '../settings.ts';
import type { BenchPeer } from './peers.ts';

export interface BackEnd {
  /** Sockets that the peer connects to, one per port. */
  readonly sockets: readonly string[];
  /** Resolves when a peer can connect. */
  start(): Promise<void>;
  /** Stops the loop that works the rings, so that it uses no CPU, until resume() or stop(). */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
  /** The other end, if it is of its own kind; by default, a virtio-net driver of the settings. */
  createPeer?(): BenchPeer;
  /** Its processes, which must keep running. */
  readonly watch: Watch;
  /** The process whose busiest thread works the rings. */
  readonly pid: number | undefined;
  /** DPDK's version, if this is DPDK and has printed it. */
  readonly dpdkVersion?: string | undefined;
  /** Cycles per packet; available after stop(), if they were requested. */
  cyclesPerPacket?(): number | undefined;
}

const portsOf = (wanted: Case) => Array.from({ length: ROLES[wanted.direction].ports }, (_, port) => port);

/** testpmd options of both sides of a comparison. */
const forwarding = (wanted: Case): TestpmdOptions => ({
  forwardMode: ROLES[wanted.direction].backEnd,
  burst: BURST,
  frameSize: wanted.size,
  autoStart: true,
});

/** testpmd options of all sides with this driver. */
export const OUR_OPTIONS: readonly string[] = [`--total-num-mbufs=${MBUFS}`, '--disable-link-check'];

/** A device model for our side, on sockets of its own. */
export const startDeviceModel = (settings: Settings, workspace: Workspace, port = 0): DeviceProcess =>
  new DeviceProcess({
    vhostUser: workspace.path(`u${port}`),
    vfioUser: workspace.path(`f${port}`),
    cpu: settings.mainCpu,
    maxRunMs: runBoundMs(settings),
  });

export class OurBackEnd implements BackEnd {
  readonly sockets: readonly string[];
  readonly watch = new Watch();
  readonly #settings: Settings;
  readonly #case: Case;
  readonly #options: readonly string[];
  readonly #runtimeFolder: string | undefined;
  readonly #devices: readonly DeviceProcess[];
  #testpmd: OurTestpmd | undefined;

  /**
   * `options`: testpmd options beyond those that both sides of a comparison have. `runtimeFolder`: where its
   * telemetry is, if not where it is by default.
   */
  constructor(
    settings: Settings,
    wanted: Case,
    workspace: Workspace,
    options: readonly string[] = [],
    runtimeFolder?: string,
  ) {
    this.#settings = settings;
    this.#case = wanted;
    this.#options = options;
    this.#runtimeFolder = runtimeFolder;
    this.#devices = portsOf(wanted).map((port) =>
      this.watch.add(startDeviceModel(settings, workspace, port)),
    );
    this.sockets = this.#devices.map(({ vhostUser }) => vhostUser);
  }

  get pid(): number | undefined {
    return this.#testpmd?.pid;
  }

  async start(): Promise<void> {
    for (const device of this.#devices) await device.ready(START_MS);
    const { backEndCpu, mainCpu, hugepages, copying } = this.#settings;
    const more = [...OUR_OPTIONS, ...(copying ? ['--no-in-place'] : []), ...this.#options];
    this.#testpmd = new OurTestpmd({
      ...{ ...forwarding(this.#case), more, cpu: backEndCpu, mainCpu, hugepages },
      vfioUser: this.#devices.map(({ vfioUser }) => vfioUser),
      runtimeFolder: this.#runtimeFolder,
      maxRunMs: runBoundMs(this.#settings),
    });
    await this.watch.add(this.#testpmd).forwarding(START_MS);
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

  cyclesPerPacket(): number | undefined {
    return cyclesPerPacket(this.#testpmd?.output ?? '');
  }
}

export class NetVhostBackEnd implements BackEnd {
  readonly sockets: readonly string[];
  readonly watch = new Watch();
  readonly #testpmd: DpdkTestpmd;

  constructor(settings: Settings, wanted: Case, workspace: Workspace) {
    this.sockets = portsOf(wanted).map((port) => workspace.path(`n${port}`));
    const { backEndCpu, mainCpu, hugepages } = settings;
    const options = {
      ...{ ...forwarding(wanted), cpu: backEndCpu, mainCpu, hugepages },
      vdevs: this.sockets.map((socket, port) => `net_vhost${port},iface=${socket},queues=1`),
      name: 'dpdk-testpmd (net_vhost)',
      runtimeFolder: workspace.folder,
      maxRunMs: runBoundMs(settings),
    };
    this.#testpmd = this.watch.add(new DpdkTestpmd(options));
  }

  get pid(): number | undefined {
    return this.#testpmd.pid;
  }

  get dpdkVersion(): string | undefined {
    return this.#testpmd.version;
  }

  async start(): Promise<void> {
    await this.#testpmd.forwarding(START_MS);
  }

  pause(): void {
    this.#testpmd.pause();
  }

  resume(): void {
    this.#testpmd.resume();
  }

  stop(): Promise<void> {
    return this.#testpmd.stop();
  }
}
