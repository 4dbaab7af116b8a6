// SPDX-License-Identifier: BSD-3-Clause
// The suite "limit": the peer's own ceiling. A back-end that returns descriptors untouched is as fast as any
// back-end can be, so the rate it reaches is the most that the peer can do; ours is reported as a share of
// it, again in pairs, or net_vhost's, whose share is the inverse of the most that could be won over it. With
// --touch the back-end also moves the bytes and does nothing else: as fast as any back-end that carries
// packets can be.
import { Option } from '@commander-js/extra-typings';
import { quoteDevarg } from '../../../src/ethdev/devargs.ts';
import { openPort, type Port } from '../../../src/index.ts';
import { type Lcore, launch } from '../../../src/lcore/launch.ts';
import type { DeviceProcess } from '../../run/device-model.ts';
import { Watch } from '../../run/watch.ts';
import type { Workspace } from '../../run/workspace.ts';
import { type Case, casesOf } from '../cases.ts';
import { COPIES_ANYWAY } from '../option-checks.ts';
import { casesOption, copyingOption, sizesOption } from '../options.ts';
import { compare } from '../paired-rounds.ts';
import { type RoundFigures, roundFigures } from '../report.ts';
import { pairChart } from '../row-charts.ts';
import { BURST, type Settings, START_MS } from '../settings.ts';
import { mpps, named, ratioColumns, type Sheet, tableOf } from '../sheet.ts';
import { type BackEnd, NetVhostBackEnd, OurBackEnd, startDeviceModel } from '../sides/back-ends.ts';
import type { UntouchedPlan } from '../sides/limit-lcore.ts';
import { defineSuite, type Plan, type Results } from '../suite.ts';

export interface LimitRow extends RoundFigures {
  readonly case: string;
  readonly limit_mpps: number;
  /** One of the two. */
  readonly ours_mpps?: number;
  readonly theirs_mpps?: number;
}

const DIRECTIONS = ['rx', 'tx', 'io'] as const;

export const limit = defineSuite({
  name: 'limit',
  description: "the peer's own ceiling: our rate against a back-end that returns descriptors untouched",
  notes: `The peer's receive buffers must look filled, so in tx and io the first packets
are real; from then on only the used ring is written, and the peer finds the
header and the frame that its buffer held before. In io the peer sends what it
receives, and its core does the work of both directions; with --touch each frame
is copied once, from the buffer sent to the buffer filled.`,
  options: (command) =>
    command
      .option(
        '--touch',
        'the back-end also reads or writes each frame, but does nothing else that a driver does',
      )
      .addOption(
        new Option('--of <whom>', 'whose rate is shown as a share of the limit')
          .choices(['ours', 'net_vhost'] as const)
          .default('ours' as const),
      )
      .option(...casesOption(DIRECTIONS, DIRECTIONS))
      .addOption(copyingOption())
      .option(...sizesOption([64])),
  needsDpdk: ({ of, peer }) => of === 'net_vhost' || peer === 'dpdk',
  rules: [
    {
      applies: ({ of }) => of === 'net_vhost',
      keys: ['copying'],
      because: 'not with --of net_vhost, which leaves our driver out',
    },
    COPIES_ANYWAY,
  ],
  cases: ({ cases, sizes }) => casesOf(cases, sizes),
  overhead: () => ({ perRound: 4.2 }),
  run: (plan, { touch, of }) => run(plan, touch ?? false, of),
  sheet: limitSheet,
  charts: (rows) => [
    pairChart({
      title: 'The limit: a back-end that only returns descriptors',
      sides: [isOfTheirs(rows) ? 'net_vhost' : 'vhost-pci', 'limit'],
      rows,
    }),
  ],
});

const isOfTheirs = ([row]: readonly LimitRow[]): boolean => row?.theirs_mpps !== undefined;

async function run(plan: Plan, touch: boolean, of: 'ours' | 'net_vhost'): Promise<Results<LimitRow>> {
  const { settings, workspace } = plan;
  const { rows, dpdkVersion } = await compare({
    ...plan,
    names: [of, 'limit'],
    createA: (wanted) =>
      of === 'ours'
        ? new OurBackEnd(settings, wanted, workspace)
        : new NetVhostBackEnd(settings, wanted, workspace),
    createB: (wanted) => new UntouchedBackEnd(settings, wanted, workspace, touch),
  });
  return {
    rows: rows.map((row) => ({
      ...{ case: row.case, limit_mpps: row.b },
      ...(of === 'ours' ? { ours_mpps: row.a } : { theirs_mpps: row.a }),
      ...roundFigures(row),
    })),
    dpdkVersion,
  };
}

/** The device model, and a port in this process whose queue an lcore returns with the least possible work. */
class UntouchedBackEnd implements BackEnd {
  readonly pid = process.pid;
  readonly watch = new Watch();
  readonly #settings: Settings;
  readonly #case: Case;
  readonly #touch: boolean;
  readonly #device: DeviceProcess;
  /** 1 while the lcore must stand still. */
  readonly #pause = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #port: Port | undefined;
  #lcore: Lcore | undefined;

  constructor(settings: Settings, wanted: Case, workspace: Workspace, touch: boolean) {
    this.#touch = touch;
    this.#settings = settings;
    this.#case = wanted;
    this.#device = this.watch.add(startDeviceModel(settings, workspace));
  }

  get sockets(): string[] {
    return [this.#device.vhostUser];
  }

  async start(): Promise<void> {
    await this.#device.ready(START_MS);
    this.#port = openPort(`net_vhost_pci0,path=${quoteDevarg(this.#device.vfioUser)}`);
    const { direction, size } = this.#case;
    const plan: UntouchedPlan = {
      rx: this.#port.rxQueueSpec(0).data.handle as number,
      tx: this.#port.txQueueSpec(0).data.handle as number,
      direction: direction === 'rx' || direction === 'tx' ? direction : 'io',
      size,
      touch: this.#touch,
      burst: BURST,
      hugepages: this.#settings.hugepages,
      pause: this.#pause,
    };
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#lcore = launch({
      cpu: this.#settings.backEndCpu,
      module: new URL(`../sides/limit-lcore.${extension}`, import.meta.url),
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

const percent = (share: number): string => `${Math.round(100 * share)} %`;

export function limitSheet(rows: readonly LimitRow[]): Sheet {
  return {
    tables: [
      tableOf(rows, [
        named('case', (row) => row.case),
        ...ratioColumns<LimitRow>('of the limit', percent),
        mpps('limit', (row) => row.limit_mpps),
        mpps(isOfTheirs(rows) ? 'net_vhost' : 'ours', (row) => row.ours_mpps ?? row.theirs_mpps),
      ]),
    ],
  };
}
