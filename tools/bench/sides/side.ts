// SPDX-License-Identifier: BSD-3-Clause
// One side of a comparison: a back-end and its own peer, started, warmed up, and then measured slice by
// slice. Between its slices the whole side stands still, so that the other side has both CPUs.
import { setTimeout as sleep } from 'node:timers/promises';
import { PmdError } from '../../../src/errors.ts';
import { stopAll, type Workspace } from '../../run/workspace.ts';
import { type Case, ROLES } from '../cases.ts';
import { CpuMeter } from '../instruments/cpu-share.ts';
import { SETTLE_SECONDS, type Settings, WARM_UP_SECONDS } from '../settings.ts';
import { untilTraffic } from '../until-traffic.ts';
import type { BackEnd } from './back-ends.ts';
import { type BenchPeer, createPeer } from './peers.ts';

export interface Slice {
  readonly mpps: number;
  /** The CPU share of the more disturbed of the two poll loops, 0 to 1. */
  readonly share: number;
  /** CPUs that all processes of the side used together; undefined where the kernel does not tell. */
  readonly cpus?: number | undefined;
}

export class Side {
  readonly backEnd: BackEnd;
  readonly #settings: Settings;
  readonly #case: Case;
  readonly #workspace: Workspace;
  #peer: BenchPeer | undefined;

  constructor(settings: Settings, wanted: Case, backEnd: BackEnd, workspace: Workspace) {
    this.#settings = settings;
    this.#case = wanted;
    this.backEnd = backEnd;
    this.#workspace = workspace;
  }

  get dpdkVersion(): string | undefined {
    return this.#peer?.dpdkVersion ?? this.backEnd.dpdkVersion;
  }

  /** Starts back-end and peer; resolves after a warm-up with traffic. */
  start(): Promise<void> {
    return this.backEnd.watch.during(async () => {
      await this.backEnd.start();
      this.#peer =
        this.backEnd.createPeer?.() ??
        createPeer(this.#settings, this.#case, this.backEnd.sockets, this.#workspace);
      this.backEnd.watch.add(this.#peer.child);
      await this.#peer.start();
      await sleep(1000 * WARM_UP_SECONDS);
    });
  }

  pause(): void {
    this.#peer?.pause();
    this.backEnd.pause();
  }

  async resume(): Promise<void> {
    this.backEnd.resume();
    this.#peer?.resume();
    await sleep(1000 * SETTLE_SECONDS);
  }

  /**
   * The rate in a window that starts now, or in a longer one if no packet moved in it. Throws VPCI_NO_TRAFFIC
   * when no packet moves at all, and VPCI_CHILD when a process of the side ends or is stopped.
   */
  measure(seconds: number): Promise<Slice> {
    return this.backEnd.watch.during(() => untilTraffic(seconds, (window) => this.#measureOnce(window)));
  }

  async #measureOnce(seconds: number): Promise<Slice> {
    const peer = this.#peer as BenchPeer;
    const pids = [this.backEnd.pid, peer.pid];
    const meters = pids.flatMap((pid) => (pid === undefined ? [] : [new CpuMeter(pid)]));
    const all = this.backEnd.watch.pids.map((pid) => new CpuMeter(pid));
    const rates = await peer.measure(seconds);
    const cpus = sumKnown(all.map((meter) => meter.total()));
    const share = Math.min(1, ...meters.map((meter) => meter.share() ?? 1));
    const pps = rates[ROLES[this.#case.direction].rate];
    if (pps > 0) return { mpps: pps / 1e6, share, cpus };
    throw new PmdError(
      'VPCI_NO_TRAFFIC',
      `Failed to measure ${this.#case.name}: no packet passed in ${seconds} s`,
    );
  }

  /** Stops the peer while its back-end still works: it waits for an answer. */
  async stop(): Promise<void> {
    this.backEnd.resume();
    await stopAll([this.#peer, this.backEnd]);
  }
}

/** Undefined when one of the values is. */
const sumKnown = (values: readonly (number | undefined)[]): number | undefined =>
  values.reduce((sum, value) => (sum === undefined || value === undefined ? undefined : sum + value), 0);
