// SPDX-License-Identifier: BSD-3-Clause
// The latency instrument: the built-in peer at a fixed rate, in slices. It prints nothing before the end, so
// that only the poll loops need a CPU.
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

/**
 * The 99.9th percentile looks at one frame in a thousand, so less disturbance spoils it than spoils a rate.
 */
export const LATENCY_QUIET_SHARE = 0.995;
/**
 * The peer does not time frames that were in flight while its own loop was away for longer than this many
 * microseconds, beyond the frames that it moves: such a delay is its CPU's doing. Shorter absences count.
 */
const OWN_STALL_US = 10;
/**
 * Once frames move, V8's compilation and garbage collection take 20 to 40 ms of CPU time, which would show in
 * the 99th percentile of two seconds.
 */
const WARM_UP_SECONDS = 3;

export interface LatencyMeasurement {
  readonly latency: Latency;
  readonly buckets: readonly LatencyBucket[];
  /** Frames that did not come back. */
  readonly lost: number;
  /**
   * Share of the frames after the warm-up that were timed, 0 to 1: the peer had its CPU while they were in
   * flight.
   */
  readonly timed: number;
  /** Share of its CPU that the back-end's loop had, 0 to 1; mean over the slices. */
  readonly share: number;
  readonly dpdkVersion: string | undefined;
}

/** One side of a round: a back-end and its own peer, warmed up, which stand still between their slices. */
export class LatencySide {
  readonly #settings: Settings;
  readonly #case: Case;
  readonly #backEnd: BackEnd;
  readonly #rate: number;
  readonly #shares: number[] = [];
  #peer: PeerProcess | undefined;

  /** `rate` in frames per second. */
  constructor(settings: Settings, wanted: Case, rate: number, backEnd: BackEnd) {
    this.#settings = settings;
    this.#case = wanted;
    this.#rate = rate;
    this.#backEnd = backEnd;
  }

  /** The error of a program that fails quotes its last message, here and in the other methods. */
  async start(): Promise<void> {
    const { watch, sockets } = this.#backEnd;
    await watch.during(async () => {
      await this.#backEnd.start();
      this.#peer = watch.add(this.#startPeer(sockets[0] as string));
      await this.#peer.up(START_MS);
      await sleep(1000 * WARM_UP_SECONDS);
    });
    await this.#pause();
  }

  /**
   * Runs both loops for this time. The back-end resumes first: it needs milliseconds to get its CPU back,
   * which must not count as latency.
   */
  async slice(seconds: number): Promise<void> {
    this.#backEnd.resume();
    await sleep(1000 * SETTLE_SECONDS);
    this.#peer?.resume();
    const { pid } = this.#backEnd;
    const meter = pid === undefined ? undefined : new CpuMeter(pid);
    await this.#backEnd.watch.during(() => sleep(1000 * seconds));
    this.#shares.push(meter?.share() ?? 1);
    await this.#pause();
  }

  /** Stops the side and returns the result of its slices. Throws VPCI_NO_TRAFFIC when no frame came back. */
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

  /**
   * Pauses the peer first; its loop may run on for milliseconds. The peer excludes its own absence from the
   * times, but it cannot exclude the back-end's.
   */
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
      // Its other threads run there too, where they do not disturb a back-end.
      ...{ cpu: peerCpu, allThreadsThere: true },
      maxRunMs: runBoundMs(this.#settings),
    });
  }
}

/** The first `warmUp` of the peer's frames were not meant to be timed. */
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
