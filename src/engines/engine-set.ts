// SPDX-License-Identifier: BSD-3-Clause
// The engines of a device: one TX and one RX engine a queue pair, the peer's memory, and the one place that decides
// which engines run. An engine runs while all of this holds: the port is started, the link is up, the memory is there, the ring
// is enabled, and the pair is one that the port uses.
import { VHOST_PCI_REFERENCE_VRING_SIZE } from '../abi/vhost-pci.ts';
import type { DriverArea } from '../native.ts';
import { Engine, type EngineRole } from './engine.ts';
import type { RemoteQueue, RemoteRegion } from './records.ts';
import type { RemoteMemory } from './remote-memory.ts';

export interface EngineSetOptions {
  /** vq_pairs of the device. */
  readonly queuePairs: number;
  /** Descriptor that tells the peer of what engine `role` of `pair` has done; -1 for none. */
  readonly notifyFd: (role: EngineRole, pair: number) => number;
  /** Holds the words that engine `role` of `pair` shares with the device. */
  readonly driverArea: (role: EngineRole, pair: number) => DriverArea | null;
  /** Wakes whoever sleeps on RX engine `pair`: it runs now. */
  readonly wake: (pair: number) => void;
  /** One line about an engine that could not be started, or stopped. */
  readonly report: (line: string) => void;
}

/** The order of REMOTE_QUEUES: record 2i is TX engine i, record 2i+1 RX engine i. */
const roleOf = (record: number): EngineRole => (record % 2 === 0 ? 'tx' : 'rx');

/** All or none: the addon has a limited number of queues. */
function createEngines(count: number, report: (line: string) => void): Engine[] {
  const engines: Engine[] = [];
  try {
    for (let record = 0; record < count; record++)
      engines.push(new Engine(roleOf(record), record >> 1, report));
    return engines;
  } catch (error) {
    for (const engine of engines) engine.destroy();
    throw error;
  }
}

export class EngineSet {
  readonly #engines: readonly Engine[];
  readonly #options: EngineSetOptions;
  #memory: RemoteMemory | null = null;
  #features = 0n;
  #session = false;
  #linkUp = false;
  #portStarted = false;
  #pairs: { readonly rx: number; readonly tx: number };

  constructor(options: EngineSetOptions) {
    this.#options = options;
    this.#pairs = { rx: options.queuePairs, tx: options.queuePairs };
    this.#engines = createEngines(2 * options.queuePairs, options.report);
  }

  /** Throws a RangeError for a queue that the device lacks. */
  engine(role: EngineRole, pair: number): Engine {
    const engine = this.#engines[2 * pair + (role === 'rx' ? 1 : 0)];
    if (!engine) throw new RangeError(`No ${role} queue ${pair}`);
    return engine;
  }

  /** A new session with the device: rings and memory of the one before are forgotten. */
  begin(memory: RemoteMemory, features: bigint, session: boolean): void {
    this.forget();
    this.#memory = memory;
    this.#features = features;
    this.#session = session;
  }

  /** SESSION: what the peer's driver negotiated; rings that start from now on are worked by it. */
  setFeatures(features: bigint): void {
    this.#features = features;
  }

  get features(): bigint {
    return this.#features;
  }

  /** REMOTE_MEM. All engines rest; those whose ring stays go on at the next REMOTE_QUEUES. Throws VPCI_BAD_MEMORY. */
  setMemory(regions: readonly RemoteRegion[]): void {
    if (regions.length === 0) for (const engine of this.#engines) engine.forget();
    else this.quiesceAll();
    this.#memory?.replace(regions);
  }

  /** REMOTE_QUEUES: starts and stops what changed. */
  setQueues(queues: readonly RemoteQueue[]): void {
    queues.forEach((record, index) => {
      // Without SESSION the field holds the queue's number, and every ring has 256 entries (docs/device-abi.md).
      const num = this.#session ? record.num : VHOST_PCI_REFERENCE_VRING_SIZE;
      this.#engines[index]?.setRecord({ ...record, num });
    });
    this.reconcile();
  }

  /** QUEUE_STOP for the ring of record `index`; returns the index to answer with, or null when a burst has not let go of it. */
  stopQueue(index: number): number | null {
    return this.#engines[index]?.stop() ?? null;
  }

  /** A MAC address has come to the peer: the application hears of it on RX queue 0, as if the peer had sent a broadcast. */
  announce(mac: Uint8Array): void {
    this.engine('rx', 0).announce(mac);
    this.#options.wake(0);
  }

  setLink(up: boolean): void {
    this.#linkUp = up;
    this.reconcile();
  }

  /** The port is started with so many queues. */
  startPort(queues: { readonly rx: number; readonly tx: number }): void {
    this.#pairs = queues;
    this.#portStarted = true;
    this.reconcile();
  }

  stopPort(): void {
    this.#portStarted = false;
    this.reconcile();
  }

  quiesceAll(): void {
    for (const engine of this.#engines) engine.quiesce();
  }

  /** Forgets rings and memory: the device was reset, or is gone. */
  forget(): void {
    this.#linkUp = false;
    for (const engine of this.#engines) engine.forget();
    this.#memory?.close();
    this.#memory = null;
  }

  destroy(): void {
    this.forget();
    for (const engine of this.#engines) engine.destroy();
  }

  /** Starts what may run and quiesces what may not. Every change of state ends here. */
  reconcile(): void {
    const table = this.#memory?.table ?? null;
    for (const engine of this.#engines) {
      const used = engine.index < this.#pairs[engine.role];
      if (table === null || !used || !this.#linkUp || !this.#portStarted) engine.quiesce();
      else {
        if (engine.state === 'stuck') engine.quiesce();
        if (engine.startable) this.#start(engine, table);
      }
    }
  }

  #start(engine: Engine, table: Parameters<Engine['start']>[0]): void {
    try {
      const { role, index } = engine;
      const { notifyFd, driverArea } = this.#options;
      engine.start(table, this.#features, notifyFd(role, index), driverArea(role, index));
      if (role === 'rx') this.#options.wake(index);
    } catch (error) {
      this.#options.report(`Failed to start ${engine.name}: ${(error as Error).message}`);
    }
  }
}
