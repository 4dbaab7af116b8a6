// SPDX-License-Identifier: BSD-3-Clause
// What is measured: something that listens on a vhost-user socket and works the peer's rings. Ours is the device model and
// vhost-pci-testpmd, theirs is DPDK's testpmd on net_vhost; both get the same testpmd options.
import { quoteDevarg } from '../../../src/ethdev/devargs.ts';
import { Child } from '../../run/child.ts';
import { dpdkCommand, lcoresOn, MBUFS } from '../../run/dpdk.ts';
import { onCpu, ourProgram } from '../../run/programs.ts';
import { cyclesPerPacket, dpdkVersion, forwardsOn } from '../../run/testpmd-output.ts';
import { stopAll, type Workspace } from '../../run/workspace.ts';
import { type Case, ROLES } from '../cases.ts';
import { BURST, runBoundMs, type Settings, START_MS } from '../settings.ts';

export interface BackEnd {
  /** Sockets that the peer connects to, one a port. */
  readonly sockets: readonly string[];
  /** Resolves when a peer can connect. */
  start(): Promise<void>;
  /** Holds the loop that works the rings where it is, so that it needs no CPU, until resume() or stop(). */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
  /** The process whose busiest thread works the rings. */
  readonly pid: number | undefined;
  /** DPDK's version, when it is DPDK and has told it. */
  readonly dpdkVersion?: string | undefined;
  /** Cycles for a packet, after stop() and where they were asked for. */
  cyclesPerPacket?(): number | undefined;
}

const portsOf = (wanted: Case) => Array.from({ length: ROLES[wanted.direction].ports }, (_, port) => port);

const forwardingOptions = (wanted: Case): string[] => [
  `--forward-mode=${ROLES[wanted.direction].backEnd}`,
  `--burst=${BURST}`,
  `--txpkts=${wanted.size}`,
  '--auto-start',
];

/** The device model, ready for a driver and for a peer. */
export class DeviceModel {
  readonly vhostUser: string;
  readonly vfioUser: string;
  readonly #child: Child;

  constructor(settings: Settings, workspace: Workspace, port = 0) {
    this.vhostUser = workspace.path(`u${port}`);
    this.vfioUser = workspace.path(`f${port}`);
    const command = [
      ...onCpu(settings.mainCpu),
      ...ourProgram('vhost-pci-device'),
      ...['--vhost-user', this.vhostUser, '--vfio-user', this.vfioUser],
    ];
    this.#child = new Child({ name: 'vhost-pci-device', command, maxRunMs: runBoundMs(settings) });
  }

  async start(): Promise<void> {
    await this.#child.waitFor(/ready/, START_MS);
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}

export class OurBackEnd implements BackEnd {
  readonly #settings: Settings;
  readonly #case: Case;
  readonly #options: readonly string[];
  readonly #devices: readonly DeviceModel[];
  #testpmd: Child | undefined;

  /** `options` of testpmd beside those that both sides of a comparison have. */
  constructor(settings: Settings, wanted: Case, workspace: Workspace, options: readonly string[] = []) {
    this.#settings = settings;
    this.#case = wanted;
    this.#options = options;
    this.#devices = portsOf(wanted).map((port) => new DeviceModel(settings, workspace, port));
  }

  get sockets(): string[] {
    return this.#devices.map(({ vhostUser }) => vhostUser);
  }

  get pid(): number | undefined {
    return this.#testpmd?.pid;
  }

  async start(): Promise<void> {
    for (const device of this.#devices) await device.start();
    const vdevs = this.#devices.map(
      ({ vfioUser }, port) => `net_vhost_pci${port},path=${quoteDevarg(vfioUser)}`,
    );
    const command = [
      ...ourProgram('vhost-pci-testpmd'),
      ...['--lcores', lcoresOn(this.#settings.backEndCpu, 1, this.#settings.mainCpu)],
      ...(this.#settings.hugepages ? [] : ['--no-huge']),
      ...vdevs.flatMap((vdev) => ['--vdev', vdev]),
      '--',
      `--total-num-mbufs=${MBUFS}`,
      '--disable-link-check',
      ...(this.#settings.copying ? ['--no-in-place'] : []),
      ...forwardingOptions(this.#case),
      ...this.#options,
    ];
    const maxRunMs = runBoundMs(this.#settings);
    this.#testpmd = new Child({ name: 'vhost-pci-testpmd', command, maxRunMs });
    await this.#testpmd.waitFor(forwardsOn(this.sockets.length), START_MS);
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
  readonly #child: Child;

  constructor(settings: Settings, wanted: Case, workspace: Workspace) {
    this.sockets = portsOf(wanted).map((port) => workspace.path(`n${port}`));
    const command = dpdkCommand({
      vdevs: this.sockets.map((socket, port) => `net_vhost${port},iface=${socket},queues=1`),
      cpu: settings.backEndCpu,
      mainCpu: settings.mainCpu,
      hugepages: settings.hugepages,
      filePrefix: `vpciv${process.pid}`,
      testpmd: forwardingOptions(wanted),
    });
    this.#child = new Child({
      name: 'dpdk-testpmd (net_vhost)',
      command,
      env: { RUNTIME_DIRECTORY: workspace.folder },
      maxRunMs: runBoundMs(settings),
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get dpdkVersion(): string | undefined {
    return dpdkVersion(this.#child.output + this.#child.errors);
  }

  async start(): Promise<void> {
    await this.#child.waitFor(forwardsOn(this.sockets.length), START_MS);
  }

  pause(): void {
    this.#child.pause();
  }

  resume(): void {
    this.#child.resume();
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
