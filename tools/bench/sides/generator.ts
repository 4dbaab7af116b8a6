// SPDX-License-Identifier: BSD-3-Clause
// The packet generator as a back-end that sends as fast as the peer's ring takes frames.
import { quoteDevarg } from '../../../src/ethdev/devargs.ts';
import type { DeviceProcess } from '../../run/device-model.ts';
import { PktgenProcess } from '../../run/pktgen.ts';
import { Watch } from '../../run/watch.ts';
import { stopAll, type Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import { runBoundMs, type Settings, START_MS } from '../settings.ts';
import { type BackEnd, startDeviceModel } from './back-ends.ts';

export class GeneratorBackEnd implements BackEnd {
  readonly sockets: readonly string[];
  readonly watch = new Watch();
  readonly #settings: Settings;
  readonly #size: number;
  readonly #json: string;
  readonly #device: DeviceProcess;
  #generator: PktgenProcess | undefined;

  constructor(settings: Settings, { size }: Case, workspace: Workspace) {
    this.#settings = settings;
    this.#size = size;
    this.#json = workspace.path('figures');
    this.#device = this.watch.add(startDeviceModel(settings, workspace));
    this.sockets = [this.#device.vhostUser];
  }

  get pid(): number | undefined {
    return this.#generator?.pid;
  }

  /** It begins to send by itself once a peer is there. */
  async start(): Promise<void> {
    await this.#device.ready(START_MS);
    const { backEndCpu, hugepages } = this.#settings;
    const vdev = `net_vhost_pci0,path=${quoteDevarg(this.#device.vfioUser)}`;
    const args = [
      ...['--vdev', vdev, '--cpu', `${backEndCpu}`, '--rate', 'max', '--size', `${this.#size}`],
      ...['--no-return', ...(hugepages ? ['--hugepages'] : [])],
    ];
    this.#generator = this.watch.add(
      new PktgenProcess({ args, json: this.#json, maxRunMs: runBoundMs(this.#settings) }),
    );
  }

  pause(): void {
    this.#generator?.pause();
  }

  resume(): void {
    this.#generator?.resume();
  }

  async stop(): Promise<void> {
    await stopAll([this.#generator, this.#device]);
  }
}
