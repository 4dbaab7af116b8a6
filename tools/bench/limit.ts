// SPDX-License-Identifier: BSD-3-Clause
// The suite "limit": the peer's own ceiling. A back-end that returns descriptors untouched is as fast as any can be, so what it
// reaches is what the peer can do; ours is given as a share of that, again in pairs. One that also moves the bytes, and does nothing
// else, is as fast as any can be that carries packets.
import { openPort, type Port } from '../../src/index.ts';
import { type Lcore, launch } from '../../src/lcore/launch.ts';
import type { Workspace } from '../run/workspace.ts';
import { type BackEnd, DeviceModel, OurBackEnd } from './back-ends.ts';
import type { Case } from './cases.ts';
import { pairedRounds } from './paired-rounds.ts';
import type { LimitRow } from './report.ts';
import { BURST, type Settings } from './settings.ts';
import type { UntouchedPlan } from './untouched.ts';

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
  const rows: LimitRow[] = [];
  let dpdkVersion: string | undefined;
  for (const wanted of cases) {
    const rounds = await pairedRounds({
      settings,
      wanted,
      workspace,
      createA: () => new OurBackEnd(settings, wanted, workspace),
      createB: () => new UntouchedBackEnd(settings, wanted, workspace, touch),
      describe: (a, b) => `limit ${b.mpps.toFixed(2)} Mpps, ours ${a.mpps.toFixed(2)} Mpps`,
      progress,
    });
    dpdkVersion ??= rounds.dpdkVersion;
    rows.push({
      case: wanted.name,
      limit_mpps: rounds.b,
      ours_mpps: rounds.a,
      ratio: rounds.ratio,
      cpu_share: rounds.cpuShare,
      rounds: rounds.pairs,
    });
  }
  return { rows, dpdkVersion };
}

/** The device model, and a port of this process whose queues an lcore returns with the least work. */
class UntouchedBackEnd implements BackEnd {
  readonly pid = process.pid;
  readonly #settings: Settings;
  readonly #case: Case;
  readonly #touch: boolean;
  readonly #device: DeviceModel;
  #port: Port | undefined;
  #lcore: Lcore | undefined;

  constructor(settings: Settings, wanted: Case, workspace: Workspace, touch: boolean) {
    this.#touch = touch;
    this.#settings = settings;
    this.#case = wanted;
    this.#device = new DeviceModel(settings, workspace);
  }

  get sockets(): string[] {
    return [this.#device.vhostUser];
  }

  async start(): Promise<void> {
    await this.#device.start();
    this.#port = openPort(`net_vhost_pci0,path=${this.#device.vfioUser}`);
    const { direction, size } = this.#case;
    const spec = direction === 'rx' ? this.#port.rxQueueSpec(0) : this.#port.txQueueSpec(0);
    const plan: UntouchedPlan = {
      queue: spec.data.handle as number,
      direction: direction === 'rx' ? 'rx' : 'tx',
      size,
      touch: this.#touch,
      burst: BURST,
      hugepages: this.#settings.hugepages,
    };
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#lcore = launch({
      cpu: this.#settings.backEndCpu,
      module: new URL(`./untouched.${extension}`, import.meta.url),
      ports: [this.#port],
      data: plan,
    });
    await this.#lcore.ready;
  }

  async stop(): Promise<void> {
    try {
      await this.#lcore?.stop();
    } finally {
      this.#port?.close();
      await this.#device.stop();
    }
  }
}
