// SPDX-License-Identifier: BSD-3-Clause
// What is measured: something that listens on a vhost-user socket and works the peer's rings. Ours is the device model and
// vhost-pci-testpmd, theirs is DPDK's testpmd on net_vhost; both get the same testpmd options.
import { Child } from '../run/child.ts';
import { dpdkCommand, lcoresOn, MBUFS } from '../run/dpdk.ts';
import { ourProgram } from '../run/programs.ts';
import { stopAll, type Workspace } from '../run/workspace.ts';
import { type Case, ROLES } from './cases.ts';
import { BURST, runBoundMs, type Settings, START_MS } from './settings.ts';
import { cyclesPerPacket } from './testpmd-output.ts';

export interface BackEnd {
  /** Socket that the peer connects to. */
  readonly socket: string;
  /** Resolves when a peer can connect. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The process whose busiest thread works the rings. */
  readonly pid: number | undefined;
  /** Cycles for a packet, after stop() and where they were asked for. */
  cyclesPerPacket?(): number | undefined;
}

const FORWARDS = /packet forwarding - ports=1/;

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

  constructor(settings: Settings, workspace: Workspace) {
    this.vhostUser = workspace.path('u');
    this.vfioUser = workspace.path('f');
    const command = [
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
  readonly #device: DeviceModel;
  #testpmd: Child | undefined;

  /** `options` of testpmd beside those that both sides of a comparison have. */
  constructor(settings: Settings, wanted: Case, workspace: Workspace, options: readonly string[] = []) {
    this.#settings = settings;
    this.#case = wanted;
    this.#options = options;
    this.#device = new DeviceModel(settings, workspace);
  }

  get socket(): string {
    return this.#device.vhostUser;
  }

  get pid(): number | undefined {
    return this.#testpmd?.pid;
  }

  async start(): Promise<void> {
    await this.#device.start();
    const command = [
      ...ourProgram('vhost-pci-testpmd'),
      ...['--lcores', lcoresOn(this.#settings.backEndCpu)],
      ...(this.#settings.hugepages ? [] : ['--no-huge']),
      ...['--vdev', `net_vhost_pci0,path=${this.#device.vfioUser}`, '--'],
      `--total-num-mbufs=${MBUFS}`,
      '--disable-link-check',
      ...forwardingOptions(this.#case),
      ...this.#options,
    ];
    const maxRunMs = runBoundMs(this.#settings);
    this.#testpmd = new Child({ name: 'vhost-pci-testpmd', command, maxRunMs });
    await this.#testpmd.waitFor(FORWARDS, START_MS);
  }

  async stop(): Promise<void> {
    await stopAll([this.#testpmd, this.#device]);
  }

  cyclesPerPacket(): number | undefined {
    return cyclesPerPacket(this.#testpmd?.output ?? '');
  }
}

export class NetVhostBackEnd implements BackEnd {
  readonly socket: string;
  readonly #child: Child;

  constructor(settings: Settings, wanted: Case, workspace: Workspace) {
    this.socket = workspace.path('n');
    const command = dpdkCommand({
      vdevs: [`net_vhost0,iface=${this.socket},queues=1`],
      cpu: settings.backEndCpu,
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

  async start(): Promise<void> {
    await this.#child.waitFor(FORWARDS, START_MS);
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
