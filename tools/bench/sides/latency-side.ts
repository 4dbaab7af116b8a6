// SPDX-License-Identifier: BSD-3-Clause
// The instrument for latencies: the built-in peer at a fixed rate, in slices. It says nothing before its end, so that nobody but the poll
// loops needs a CPU.
import { setTimeout as sleep } from 'node:timers/promises';
import { PmdError } from '../../../src/errors.ts';
import type { Latency, LatencyBucket } from '../../peer/latency.ts';
import { PeerProcess, type PeerReport } from '../../run/builtin-peer.ts';
import { stopAll } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import { CpuMeter } from '../instruments/cpu-share.ts';
import { mean } from '../instruments/statistics.ts';
import { BURST, runBoundMs, SETTLE_SECONDS, type Settings, START_MS } from '../settings.ts';
import type { BackEnd } from './back-ends.ts';

/** One frame in a thousand is looked at, so that less disturbance than with rates spoils it. */
export const LATENCY_QUIET_SHARE = 0.995;
/** Microseconds that the peer's loop is away at most, beside the frames that it moves, without being forgiven: what it misses is its CPU's doing. */
const OWN_STALL_US = 10;
/** What V8 compiles and collects once frames move takes 20 to 40 ms of a CPU, which would be in the 99th percentile of two seconds. */
const WARM_UP_SECONDS = 3;

export interface LatencyMeasurement {
  readonly latency: Latency;
  readonly buckets: readonly LatencyBucket[];
  /** Frames that did not come back. */
  readonly lost: number;
  /** Share of the frames behind the warm-up that were timed, 0 to 1: the peer had its CPU while they were on their way. */
  readonly timed: number;
  /** Share of its CPU that the back-end's loop had, 0 to 1: the mean of the slices. */
  readonly share: number;
  readonly dpdkVersion: string | undefined;
}

/** One side of a round: a back-end and a peer of its own, warmed up, which stand still between their slices. */
export class LatencySide {
  readonly #settings: Settings;
  readonly #case: Case;
  readonly #backEnd: BackEnd;
  readonly #rate: number;
  readonly #shares: number[] = [];
  #peer: PeerProcess | undefined;

  /** `rate` in frames a second. */
  constructor(settings: Settings, wanted: Case, rate: number, backEnd: BackEnd) {
    this.#settings = settings;
    this.#case = wanted;
    this.#rate = rate;
    this.#backEnd = backEnd;
  }

  /** Throws what a program that failed said, as all others do. */
  async start(): Promise<void> {
    await this.#backEnd.start();
    this.#peer = this.#startPeer(this.#backEnd.sockets[0] as string);
    await this.#peer.up(START_MS);
    await sleep(1000 * WARM_UP_SECONDS);
    await this.#pause();
  }

  /** Both loops run so long. A back-end needs milliseconds until it has its CPU, which must not be in the times. */
  async slice(seconds: number): Promise<void> {
    this.#backEnd.resume();
    await sleep(1000 * SETTLE_SECONDS);
    this.#peer?.resume();
    const { pid } = this.#backEnd;
    const meter = pid === undefined ? undefined : new CpuMeter(pid);
    await sleep(1000 * seconds);
    this.#shares.push(meter?.share() ?? 1);
    await this.#pause();
  }

  /** Ends it; what the slices found. Throws VPCI_NO_TRAFFIC when no frame came back. */
  async finish(): Promise<LatencyMeasurement> {
    this.#backEnd.resume();
    await sleep(1000 * SETTLE_SECONDS);
    await this.stop();
    const peer = this.#peer as PeerProcess;
    const report = await peer.finish();
    if (peer.exit !== 0) throw peer.failure(`ended (${peer.exit})`);
    const share = mean(this.#shares);
    const result = resultOf(report, this.#case.name, Math.ceil(WARM_UP_SECONDS * this.#rate));
    return { ...result, share, dpdkVersion: this.#backEnd.dpdkVersion };
  }

  async stop(): Promise<void> {
    this.#backEnd.resume();
    await stopAll([this.#peer, this.#backEnd]);
  }

  /** The peer first, whose loop may go on for milliseconds: it takes its own absence out of the times, but not that of the back-end. */
  async #pause(): Promise<void> {
    this.#peer?.pause();
    await sleep(1000 * SETTLE_SECONDS);
    this.#backEnd.pause();
  }

  #startPeer(socket: string): PeerProcess {
    const { peerCpu, queueSize, packed, hugepages } = this.#settings;
    return new PeerProcess({
      vhostUser: socket,
      mode: 'latency',
      ...{ rate: this.#rate, frameSize: this.#case.size, burst: BURST, queueSize, packed, hugepages },
      ...{ warmUp: WARM_UP_SECONDS, ownStall: OWN_STALL_US },
      // Its other threads too are where they disturb no back-end.
      ...{ cpu: peerCpu, allThreadsThere: true },
      maxRunMs: runBoundMs(this.#settings),
    });
  }
}

/** Of the peer's frames the first `warmUp` were not to be timed. */
export function resultOf(
  { latency, latencyBuckets = [], missing, rxPackets }: PeerReport,
  name: string,
  warmUp: number,
): Pick<LatencyMeasurement, 'latency' | 'buckets' | 'lost' | 'timed'> {
  if (latency) {
    const timed = latency.samples / Math.max(latency.samples, rxPackets - warmUp);
    return { latency, buckets: latencyBuckets, lost: missing, timed };
  }
  throw new PmdError(
    'VPCI_NO_TRAFFIC',
    `Failed to measure ${name}: no frame came back while the peer had its CPU to itself`,
  );
}
