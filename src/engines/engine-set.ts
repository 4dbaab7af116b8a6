// SPDX-License-Identifier: BSD-3-Clause
// The engines of a device: one TX and one RX engine per queue pair, the peer's memory, and the decision which
// engines run. An engine runs while all of this holds: the port is started, the link is up, the memory is
// mapped, the ring is enabled, and the port uses the pair.
import { native } from '../native.ts';
import type { Carrier, EngineRole } from './carrier.ts';
import { Engine } from './engine.ts';
import type { RemoteQueue, RemoteRegion } from './records.ts';
import type { RemoteMemory } from './remote-memory.ts';

/** Order of records: 2i is TX engine i, 2i+1 RX engine i. */
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
  readonly #carrier: Carrier;
  readonly #report: (line: string) => void;
  #memory: RemoteMemory | null = null;
  #features = 0n;
  #linkUp = false;
  #portStarted = false;
  #pairs: { readonly rx: number; readonly tx: number };

  /**
   * One engine of each role for each of `queuePairs`. `report` receives one line about an engine that could
   * not be started or stopped.
   */
  constructor(carrier: Carrier, queuePairs: number, report: (line: string) => void) {
    this.#carrier = carrier;
    this.#report = report;
    this.#pairs = { rx: queuePairs, tx: queuePairs };
    this.#engines = createEngines(2 * queuePairs, report);
    carrier.onLink((up) => this.#setLink(up));
    carrier.onRemoved(() => this.forget());
  }

  /** Throws a RangeError for a queue that the device lacks. */
  engine(role: EngineRole, pair: number): Engine {
    const engine = this.#engines[2 * pair + (role === 'rx' ? 1 : 0)];
    if (!engine) throw new RangeError(`No ${role} queue ${pair}`);
    return engine;
  }

  /** Begins a new session with the device: forgets rings and memory of the previous one. */
  begin(memory: RemoteMemory, features: bigint): void {
    this.forget();
    this.#memory = memory;
    this.#features = features;
  }

  /** Sets the features that the peer's driver negotiated; they apply to rings started from now on. */
  setFeatures(features: bigint): void {
    this.#features = features;
  }

  get features(): bigint {
    return this.#features;
  }

  /**
   * Stops all engines; those whose ring stays the same continue at the next setQueues. Without regions, the
   * rings are forgotten too. Throws VPCI_BAD_MEMORY.
   */
  setMemory(regions: readonly RemoteRegion[]): void {
    if (regions.length === 0) for (const engine of this.#engines) engine.forget();
    else this.quiesceAll();
    this.#memory?.replace(regions);
  }

  /** Starts and stops what changed; record 2i is the ring of TX engine i, 2i+1 that of RX engine i. */
  setQueues(queues: readonly RemoteQueue[]): void {
    queues.forEach((record, index) => {
      this.#engines[index]?.setRecord(record);
    });
    this.reconcile();
  }

  /**
   * Releases the ring of record `index`; returns the index that it stopped at, or null if a burst still uses
   * it.
   */
  stopQueue(index: number): number | null {
    return this.#engines[index]?.stop() ?? null;
  }

  /**
   * A MAC address has moved to the peer: RX queue 0 delivers an announcement to the application, as if the
   * peer had sent a broadcast.
   */
  announce(mac: Uint8Array): void {
    this.engine('rx', 0).announce(mac);
    this.#wake(0);
  }

  #setLink(up: boolean): void {
    this.#linkUp = up;
    this.reconcile();
  }

  /** The port is started with these numbers of queues. */
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

  /** Starts the engines that may run and quiesces the others. Called after every change of state. */
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

  /** Wakes the threads that sleep on RX engines, so that they check the state again. */
  wakeAll(): void {
    for (const { role, index } of this.#engines) if (role === 'rx') this.#wake(index);
  }

  #wake(pair: number): void {
    const fd = this.#carrier.interruptFd(pair);
    if (fd >= 0) native.eventfdSignal(fd);
  }

  #start(engine: Engine, table: Parameters<Engine['start']>[0]): void {
    try {
      const { role, index } = engine;
      const carrier = this.#carrier;
      engine.start(table, this.#features, carrier.doorbell(role, index), carrier.driverArea(role, index));
      if (role === 'rx') this.#wake(index);
    } catch (error) {
      this.#report(`Failed to start ${engine.name}: ${(error as Error).message}`);
    }
  }
}
