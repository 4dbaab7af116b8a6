// SPDX-License-Identifier: BSD-3-Clause
// The instrument for latencies: the built-in peer at a fixed rate. One measurement as in measure.ts; the peer says nothing
// before its end, so that nobody but the poll loops needs a CPU.
import { setTimeout as sleep } from 'node:timers/promises';
import { PmdError } from '../../src/errors.ts';
import type { Latency, LatencyBucket } from '../peer/latency.ts';
import { Child } from '../run/child.ts';
import { ourProgram } from '../run/programs.ts';
import { stopAll } from '../run/workspace.ts';
import type { BackEnd } from './back-ends.ts';
import type { Case } from './cases.ts';
import { CpuMeter } from './cpu-share.ts';
import { untilQuiet } from './measure.ts';
import { BURST, runBoundMs, type Settings, START_MS, WARM_UP_SECONDS } from './settings.ts';

/** One frame in a thousand is looked at, so that less disturbance than with rates spoils it. */
export const LATENCY_QUIET_SHARE = 0.995;

export interface LatencyMeasurement {
  readonly latency: Latency;
  readonly buckets: readonly LatencyBucket[];
  /** Frames that did not come back. */
  readonly lost: number;
  /** Share of its CPU that the more disturbed of the two poll loops had, 0 to 1. */
  readonly share: number;
  readonly dpdkVersion: string | undefined;
}

/** `rate` in frames a second. Throws VPCI_NO_TRAFFIC when none came back, and what a program that failed said. */
export function measureLatency(
  settings: Settings,
  wanted: Case,
  rate: number,
  createBackEnd: () => BackEnd,
): Promise<LatencyMeasurement> {
  return untilQuiet(() => attemptOnce(settings, wanted, rate, createBackEnd()), LATENCY_QUIET_SHARE);
}

async function attemptOnce(
  settings: Settings,
  wanted: Case,
  rate: number,
  backEnd: BackEnd,
): Promise<LatencyMeasurement> {
  let peer: Child | undefined;
  try {
    await backEnd.start();
    const child = startPeer(settings, wanted, rate, backEnd.sockets[0] as string);
    peer = child;
    await child.until(() => child.errors.includes('is up'), START_MS, 'its back-end was up');
    await sleep(1000 * WARM_UP_SECONDS);
    const meters = [backEnd.pid, peer.pid].flatMap((pid) => (pid === undefined ? [] : [new CpuMeter(pid)]));
    await sleep(1000 * settings.seconds);
    const share = Math.min(1, ...meters.map((meter) => meter.share() ?? 1));
    if (!(await child.ended(START_MS)) || child.exit !== 0) throw child.failure(`ended (${child.exit})`);
    return { ...parseResult(child.output, wanted.name), share, dpdkVersion: backEnd.dpdkVersion };
  } finally {
    await stopAll([peer, backEnd]);
  }
}

function startPeer(settings: Settings, wanted: Case, rate: number, socket: string): Child {
  const command = [
    ...ourProgram('vhost-pci-peer'),
    ...['--vhost-user', socket, '--mode', 'latency', '--rate', `${rate}`, '--size', `${wanted.size}`],
    ...['--queue-size', `${settings.queueSize}`, '--burst', `${BURST}`, '--cpu', `${settings.peerCpu}`],
    ...['--warm-up', `${WARM_UP_SECONDS}`, '--duration', `${WARM_UP_SECONDS + settings.seconds}`],
    ...['--no-reconnect', '--json'],
    ...(settings.packed ? ['--packed'] : []),
    ...(settings.hugepages ? ['--hugepages'] : []),
  ];
  return new Child({ name: 'vhost-pci-peer', command, maxRunMs: runBoundMs(settings) });
}

/** The peer's only line. */
export function parseResult(
  output: string,
  name: string,
): Pick<LatencyMeasurement, 'latency' | 'buckets' | 'lost'> {
  const { latency, latencyBuckets, missing } = JSON.parse(output) as {
    latency: Latency | null;
    latencyBuckets: LatencyBucket[];
    missing: number;
  };
  if (latency) return { latency, buckets: latencyBuckets, lost: missing };
  throw new PmdError('VPCI_NO_TRAFFIC', `Failed to measure ${name}: no frame came back`);
}
