// SPDX-License-Identifier: BSD-3-Clause
// The generator's latencies against what DPDK's testpmd measures of the same frames with --latencystats, from
// its receive call to its transmit call. To compare them, the time inside testpmd has to be nearly all of the
// round trip, and long: its mode noisy lets a frame wait until so many more have come.
import { setTimeout as sleep } from 'node:timers/promises';
import { quoteDevarg } from '../../../src/ethdev/devargs.ts';
import { DpdkTestpmd } from '../../run/dpdk-testpmd.ts';
import { LatencyStatsClient } from '../../run/latency-stats.ts';
import { PktgenProcess } from '../../run/pktgen.ts';
import { Watch } from '../../run/watch.ts';
import { stopAll } from '../../run/workspace.ts';
import { median, type Spread, spread } from '../instruments/statistics.ts';
import { fixed } from '../report.ts';
import { runBoundMs, START_MS } from '../settings.ts';
import { type ColumnOf, named, type Table, tableOf } from '../sheet.ts';
import { startDeviceModel } from '../sides/back-ends.ts';
import type { Plan } from '../suite.ts';
import { disturbedRounds, errorColumns } from './rates.ts';
import { type Disturbable, playRounds, type RoundsOf } from './rounds.ts';

/** Frames per second, and how many testpmd holds back. */
const RATE = 10_000;
const HELD = 512;
/** Until the frames that it holds back are there, and the first have passed. */
const FILL_SECONDS = 0.5;
const LOOK_MS = 250;
const LEAST_SECONDS = 2;

interface Times {
  readonly ours_us: number;
  readonly ours_jitter_us: number;
  readonly theirs_us: number;
  readonly theirs_jitter_us: number;
}

interface PktgenLatency extends Disturbable {
  readonly latency: { readonly p50Ns: number; readonly jitterNs: number } | null;
}

export interface LatencyStatsRow extends RoundsOf<Disturbable & Times> {
  readonly figure: 'latency';
  /** Share by which the two differ. */
  readonly error: Spread;
}

export async function measureLatencyStats(
  plan: Plan,
): Promise<{ row: LatencyStatsRow; dpdkVersion: string | undefined }> {
  let dpdkVersion: string | undefined;
  const play = async () => {
    const { round, version } = await onePass(plan);
    dpdkVersion = version;
    return round;
  };
  const describe = ({ ours_us, theirs_us }: Times) =>
    `p50 ${fixed(ours_us)} us, latencystats ${fixed(theirs_us)} us`;
  const played = await playRounds(plan, 'latency', play, describe);
  return { row: { figure: 'latency', ...played, error: spread(played.rounds.map(errorOf)) }, dpdkVersion };
}

const errorOf = ({ ours_us, theirs_us }: Times): number => Math.abs(ours_us / theirs_us - 1);

async function onePass(plan: Plan) {
  const { settings, workspace } = plan;
  const watch = new Watch();
  const device = watch.add(startDeviceModel(settings, workspace));
  let testpmd: DpdkTestpmd | undefined;
  let generator: PktgenProcess | undefined;
  try {
    await device.ready(START_MS);
    const started = watch.add(noisyTestpmd(plan, device.vhostUser));
    testpmd = started;
    await started.prompt(START_MS);
    await started.startForwarding(START_MS);
    const sending = generatorTo(plan, device.vfioUser);
    generator = sending;
    const seen = await watch.during(async () => {
      await sending.sending(START_MS);
      await sleep(1000 * FILL_SECONDS);
      const path = workspace.path('l');
      const stats = new LatencyStatsClient(started, { folder: workspace.folder, path });
      try {
        return await looks(stats, sending);
      } finally {
        stats.close();
      }
    });
    if (seen.length === 0) throw started.failure('measured no frame with --latencystats');
    const { latency, disturbances, stalls } = await sending.figures<PktgenLatency>();
    const round = {
      ...{ disturbances, stalls },
      ours_us: (latency?.p50Ns ?? Number.NaN) / 1000,
      ours_jitter_us: (latency?.jitterNs ?? Number.NaN) / 1000,
      theirs_us: median(seen.map(({ avgNs }) => avgNs)) / 1000,
      theirs_jitter_us: median(seen.map(({ jitterNs }) => jitterNs)) / 1000,
    };
    return { round, version: started.version };
  } finally {
    await stopAll([generator, testpmd, device]);
  }
}

/** Its average is one of the last frames only: the median of many looks is that of the run. */
async function looks(stats: LatencyStatsClient, generator: PktgenProcess) {
  const seen = [];
  while (generator.exit === undefined) {
    const now = stats.read();
    if (now !== undefined) seen.push(now);
    await Promise.race([sleep(LOOK_MS), generator.gone]);
  }
  // The last look may have seen the end, when no more frames push others out.
  return seen.length > 1 ? seen.slice(0, -1) : seen;
}

const noisyTestpmd = ({ settings, workspace }: Plan, socket: string): DpdkTestpmd =>
  new DpdkTestpmd({
    vdevs: [`net_virtio_user0,path=${socket},queue_size=1024`],
    ...{ interactive: true, forwardMode: 'noisy', cpu: settings.peerCpu, hugepages: false },
    telemetry: true,
    // With one forwarding lcore, it is lcore 1; the statistics are its own then.
    more: [`--noisy-tx-sw-buffer-size=${HELD}`, '--noisy-tx-sw-buffer-flushtime=0', '--latencystats=1'],
    name: 'dpdk-testpmd (noisy)',
    runtimeFolder: workspace.folder,
    maxRunMs: runBoundMs(settings),
  });

const generatorTo = ({ settings, workspace }: Plan, socket: string): PktgenProcess =>
  new PktgenProcess({
    args: [
      ...['--vdev', `net_vhost_pci0,path=${quoteDevarg(socket)}`, '--cpu', `${settings.backEndCpu}`],
      ...['--rate', `${RATE}`, '--duration', `${Math.max(LEAST_SECONDS, settings.seconds)}`],
    ],
    json: workspace.path('figures'),
    maxRunMs: runBoundMs(settings),
  });

export function latencyStatsTable(rows: readonly LatencyStatsRow[]): Table {
  const us = (name: string, key: keyof Times, unit?: string): ColumnOf<LatencyStatsRow> => ({
    ...{ name, ...(unit && { unit }) },
    of: ({ rounds }) => median(rounds.map((round) => round[key])),
  });
  return tableOf(rows, [
    named('latency', () => `${HELD} frames at ${RATE} pps`),
    ...[us('p50', 'ours_us', 'us'), us('jitter', 'ours_jitter_us')],
    ...[us('latencystats: average', 'theirs_us', 'us'), us('jitter', 'theirs_jitter_us')],
    ...errorColumns<LatencyStatsRow>('differ by'),
    disturbedRounds,
  ]);
}
