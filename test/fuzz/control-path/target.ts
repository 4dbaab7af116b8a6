// SPDX-License-Identifier: BSD-3-Clause
// One device model that sessions attack one after the other, with the options of its number.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '../../../src/native.ts';
import { closeQuietly } from '../../../tools/socket/fds.ts';
import { Disorder } from '../mutator.ts';
import { type Served, serveHonest } from './honest.ts';
import type { SessionRules } from './plan.ts';
import type { Side } from './steps.ts';
import { Subject, type Usage } from './subject.ts';
import { BOUNDS } from './verdict.ts';

/** Enough for an honest pair, and soon used up under an attack. */
const FEW_DESCRIPTORS = 100;
const CONNECT_MS = 2000;
/** The device model's timeout: short, so that plans with silent attackers need not take long. */
const HANDSHAKE_S = 1;

export interface TargetOptions extends SessionRules {
  readonly reference: boolean;
  readonly verbose: boolean;
  /** Descriptor limit of the process. */
  readonly descriptors: number;
}

/** Sessions per device model, unless it is terminated or a fault is found. */
export const SESSIONS_PER_TARGET = 100;

export function targetOptions(seed: number, session: number): TargetOptions {
  const chaos = new Disorder(seed ^ Math.imul(1 + Math.floor(session / SESSIONS_PER_TARGET), 0x27d4_eb2f));
  return {
    queuePairs: chaos.pick([1, 1, 2, 4]),
    client: chaos.chance(20),
    reference: chaos.chance(15),
    verbose: chaos.chance(15),
    descriptors: chaos.chance(25) ? FEW_DESCRIPTORS : 4096,
  };
}

export class Target {
  readonly subject: Subject;
  readonly options: TargetOptions;
  readonly #folder: string;
  /** Client mode: the socket to which the device connects. */
  readonly #listener: number;
  #baseline: Usage | null = null;

  private constructor(options: TargetOptions, folder: string, listener: number, subject: Subject) {
    this.options = options;
    this.#folder = folder;
    this.#listener = listener;
    this.subject = subject;
  }

  static async start(options: TargetOptions, program?: string): Promise<Target> {
    const folder = mkdtempSync(join(tmpdir(), 'control-path-'));
    const path = join(folder, 'vhost.sock');
    const listener = options.client ? native.unixListen(path) : -1;
    const args = [
      ...[
        '--vhost-user',
        path,
        '--vfio-user',
        join(folder, 'vfio.sock'),
        '--queues',
        `${options.queuePairs}`,
        '--handshake-timeout',
        `${HANDSHAKE_S}`,
      ],
      ...(options.client ? ['--vhost-user-mode', 'client'] : []),
      ...(options.reference ? ['--reference'] : []),
      ...(options.verbose ? ['--verbose'] : []),
    ];
    return new Target(options, folder, listener, await Subject.start(args, program, options.descriptors));
  }

  /** Resource use after it has served once. */
  get baseline(): Usage {
    if (!this.#baseline) throw new Error('no client has been served yet');
    return this.#baseline;
  }

  /** Serves for the first time; throws if even that fails. */
  async warmUp(): Promise<void> {
    await this.serveHonest(false, false, BOUNDS.servedMs);
    await sleep(50);
    this.#baseline = this.subject.usage();
  }

  serveHonest(packed: boolean, driverFirst: boolean, boundMs: number): Promise<Served> {
    return serveHonest({
      connect: (side) => this.connect(side),
      driverPath: join(this.#folder, 'vfio.sock'),
      packed: packed && !this.options.reference,
      // The reference has no socket for drivers before it has a peer.
      driverFirst: driverFirst && !this.options.reference,
      boundMs,
    });
  }

  /** A connection to one of its sockets; null if it accepts none. */
  async connect(side: Side): Promise<number | null> {
    if (side === 'peer' && this.#listener >= 0) return this.#accept();
    try {
      return native.unixConnect(join(this.#folder, side === 'peer' ? 'vhost.sock' : 'vfio.sock'));
    } catch {
      return null;
    }
  }

  /** Milliseconds until it ended; null if it had to be killed. */
  async terminate(): Promise<number | null> {
    return this.subject.terminate(BOUNDS.terminateMs);
  }

  async close(): Promise<void> {
    await this.subject.kill();
    closeQuietly(this.#listener);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #accept(): Promise<number | null> {
    const end = Date.now() + CONNECT_MS;
    for (;;) {
      // The device reconnects as soon as it can, so only the newest connection is alive.
      const fd = native.unixAccept(this.#listener);
      if (fd >= 0) return fd;
      if (Date.now() > end) return null;
      await sleep(5);
    }
  }
}
