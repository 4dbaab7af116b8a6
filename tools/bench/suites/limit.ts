// SPDX-License-Identifier: BSD-3-Clause
// The suite "limit": the peer's own ceiling. A back-end that returns descriptors untouched is as fast as any can be, so what it
// reaches is what the peer can do; ours is given as a share of that, again in pairs. One that also moves the bytes, and does nothing
// else, is as fast as any can be that carries packets.
import { quoteDevarg } from '../../../src/ethdev/devargs.ts';
import { openPort, type Port } from '../../../src/index.ts';
import { type Lcore, launch } from '../../../src/lcore/launch.ts';
import type { DeviceProcess } from '../../run/device-model.ts';
import type { Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import { compare } from '../paired-rounds.ts';
import { type LimitRow, roundFigures } from '../report.ts';
import { BURST, type Settings, START_MS } from '../settings.ts';
import { type BackEnd, OurBackEnd, startDeviceModel } from '../sides/back-ends.ts';
import type { UntouchedPlan } from './limit-lcore.ts';

export interface LimitResult {
  readonly rows: LimitRow[];
  readonly dpdkVersion: string | undefined;
}

export async function limit(
  settings: Settings,
  cases: readonly Case[],
  workspace: Workspace,
  progress: (line: string) => void,
  touch: boolean,
): Promise<LimitResult> {
  const { rows, dpdkVersion } = await compare({
    ...{ settings, cases, workspace, progress, names: ['ours', 'limit'] },
    createA: (wanted) => new OurBackEnd(settings, wanted, workspace),
    createB: (wanted) => new UntouchedBackEnd(settings, wanted, workspace, touch),
  });
  return {
    rows: rows.map((row) => ({
      ...{ case: row.case, limit_mpps: row.b, ours_mpps: row.a, ...roundFigures(row) },
    })),
    dpdkVersion,
  };
}

/** The device model, and a port of this process whose queues an lcore returns with the least work. */
class UntouchedBackEnd implements BackEnd {
  readonly pid = process.pid;
  readonly #settings: Settings;
  readonly #case: Case;
  readonly #touch: boolean;
  readonly #device: DeviceProcess;
  /** 1: the lcore is to stand still. */
  readonly #pause = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #port: Port | undefined;
  #lcore: Lcore | undefined;

  constructor(settings: Settings, wanted: Case, workspace: Workspace, touch: boolean) {
    this.#touch = touch;
    this.#settings = settings;
    this.#case = wanted;
    this.#device = startDeviceModel(settings, workspace);
  }

  get sockets(): string[] {
    return [this.#device.vhostUser];
  }

  async start(): Promise<void> {
    await this.#device.ready(START_MS);
    this.#port = openPort(`net_vhost_pci0,path=${quoteDevarg(this.#device.vfioUser)}`);
    const { direction, size } = this.#case;
    const spec = direction === 'rx' ? this.#port.rxQueueSpec(0) : this.#port.txQueueSpec(0);
    const plan: UntouchedPlan = {
      queue: spec.data.handle as number,
      direction: direction === 'rx' ? 'rx' : 'tx',
      size,
      touch: this.#touch,
      burst: BURST,
      hugepages: this.#settings.hugepages,
      pause: this.#pause,
    };
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#lcore = launch({
      cpu: this.#settings.backEndCpu,
      module: new URL(`./limit-lcore.${extension}`, import.meta.url),
      ports: [this.#port],
      data: plan,
    });
    await this.#lcore.ready;
  }

  pause(): void {
    Atomics.store(this.#pause, 0, 1);
  }

  resume(): void {
    Atomics.store(this.#pause, 0, 0);
    Atomics.notify(this.#pause, 0);
  }

  async stop(): Promise<void> {
    this.resume();
    try {
      await this.#lcore?.stop();
    } finally {
      this.#port?.close();
      await this.#device.stop();
    }
  }
}
