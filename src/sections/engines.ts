// SPDX-License-Identifier: BSD-3-Clause
// The engines of two sections: one of each role for each queue pair.
import { SECTION_VECTOR_QUEUES } from '../abi/section.ts';
import type { EngineRole } from '../engines/carrier.ts';
import { native } from '../native.ts';
import type { SectionCarrier } from './carrier.ts';
import { SectionEngine } from './engine.ts';
import { type Agreement, sectionOffset } from './negotiation.ts';

export class SectionEngines {
  readonly #carrier: SectionCarrier;
  readonly #engines: readonly SectionEngine[];
  readonly #interruptFds: readonly number[];
  readonly #report: (line: string) => void;

  /**
   * Call before the carrier's enableInterrupts(). `report` receives one line about an engine that could not
   * be started or stopped.
   */
  constructor(carrier: SectionCarrier, queuePairs: number, report: (line: string) => void) {
    this.#carrier = carrier;
    this.#report = report;
    this.#engines = createEngines(queuePairs, report);
    const fdOf = (_: unknown, pair: number) => carrier.interruptFd(SECTION_VECTOR_QUEUES + pair);
    this.#interruptFds = Array.from({ length: queuePairs }, fdOf);
  }

  /** Eventfd on which a thread sleeps for RX engine `pair`; -1 for none. */
  interruptFd(pair: number): number {
    return this.#interruptFds[pair] ?? -1;
  }

  /** Throws a RangeError for a queue that the device lacks. */
  engine(role: EngineRole, pair: number): SectionEngine {
    const engine = this.#engines[2 * pair + (role === 'rx' ? 1 : 0)];
    if (!engine) throw new RangeError(`No ${role} queue ${pair}`);
    return engine;
  }

  /** Starts those that both sides and the port have, if they are not started yet. */
  start(agreed: Agreement, port: { readonly rx: number; readonly tx: number }): void {
    for (const engine of this.#engines) {
      const used = engine.index < Math.min(agreed.queuePairs, port[engine.role]);
      if (used && engine.startable) this.#start(engine, agreed);
    }
  }

  /** False if a burst does not return from one of them. */
  quiesceAll(): boolean {
    return this.#engines.map((engine) => engine.quiesce()).every(Boolean);
  }

  /** Wakes the threads that sleep on RX engines, so that they check the state again. */
  wakeAll(): void {
    for (const { role, index } of this.#engines) if (role === 'rx') this.#wake(index);
  }

  destroy(): void {
    for (const engine of this.#engines) engine.destroy();
  }

  #wake(pair: number): void {
    const fd = this.interruptFd(pair);
    if (fd >= 0) native.eventfdSignal(fd);
  }

  #start(engine: SectionEngine, { layout, headerBytes, maxFrame, features }: Agreement): void {
    const { own, peer, states } = this.#carrier;
    const part = engine.index * layout.size;
    try {
      engine.start({
        own: { mapping: own.mapping, offset: sectionOffset(states, own) + part },
        peer: { mapping: peer.mapping, offset: sectionOffset(states, peer) + part },
        size: layout.size,
        entries: layout.entries,
        usedOffset: layout.usedOffset,
        dataOffset: layout.dataOffset,
        headerBytes,
        maxFrame,
        features,
        notifyFd: this.#carrier.doorbell(SECTION_VECTOR_QUEUES + engine.index),
      });
      if (engine.role === 'rx') this.#wake(engine.index);
    } catch (error) {
      this.#report(`Failed to start ${engine.name}: ${(error as Error).message}`);
    }
  }
}

/** All or none: the addon has a limited number of queues. */
function createEngines(queuePairs: number, report: (line: string) => void): SectionEngine[] {
  const engines: SectionEngine[] = [];
  try {
    for (let pair = 0; pair < queuePairs; pair++)
      for (const role of ['tx', 'rx'] as const) engines.push(new SectionEngine(role, pair, report));
    return engines;
  } catch (error) {
    for (const engine of engines) engine.destroy();
    throw error;
  }
}
