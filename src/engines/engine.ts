// SPDX-License-Identifier: BSD-3-Clause
// One engine: a queue of the addon attached to a ring in the peer's memory, and the rule for its start index.
//
// The index of a new ring comes from its record. A ring that this engine has worked on, and that the peer has
// not stopped, continues where the engine left it: the index in the record is then older than ours.
import {
  type DriverArea,
  type MemoryHandle,
  native,
  QUEUE_BROKEN,
  QUEUE_RUNNING,
  QUEUE_STUCK,
  type QueueHandle,
} from '../native.ts';
import type { EngineRole } from './carrier.ts';
import type { RemoteQueue } from './records.ts';

export type EngineState = 'stopped' | 'running' | 'broken' | 'stuck' | 'failed';

/** Milliseconds to wait for a burst to return; less shortly after such a wait has failed. */
const PATIENCE_MS = 1000;
const LITTLE_PATIENCE_MS = 10;
let lastGivenUp = Number.NEGATIVE_INFINITY;

export class Engine {
  readonly role: EngineRole;
  /** Number of the queue pair. */
  readonly index: number;
  readonly queue: QueueHandle;
  /** The ring of the last record that enabled it; a record that disables it need not repeat it. */
  #ring: RemoteQueue | null = null;
  #enabled = false;
  #resumeAt: number | null = null;
  #started = false;
  /** The ring of the last start. */
  #startedOn: RemoteQueue | null = null;
  /** A burst has not returned, so no other ring can be started. */
  #stuck = false;
  #failed = false;
  #startErrors = 0;
  /** The index last reported for QUEUE_STOP, in case the request is repeated. */
  #stoppedAt = 0;

  readonly #report: (line: string) => void;

  /** `report` receives one line about a burst that does not return. */
  constructor(role: EngineRole, index: number, report: (line: string) => void = () => {}) {
    this.role = role;
    this.index = index;
    this.#report = report;
    this.queue = native.queueCreate(role);
  }

  /** "RX engine 0". */
  get name(): string {
    return `${this.role.toUpperCase()} engine ${this.index}`;
  }

  /** Entries of the ring; 0 while the engine has none. */
  get ringSize(): number {
    return this.#enabled ? (this.#ring?.num ?? 0) : 0;
  }

  /** Number of failed starts. */
  get startErrors(): number {
    return this.#startErrors;
  }

  /** True between a start and the next quiesce, even if the ring has become broken meanwhile. */
  get started(): boolean {
    return this.#started;
  }

  /** True if the ring can be started and has not proved unusable. */
  get startable(): boolean {
    return !this.#started && !this.#failed && this.#enabled;
  }

  get state(): EngineState {
    if (this.#stuck) return 'stuck';
    if (this.#failed) return 'failed';
    if (!this.#started) return 'stopped';
    const state = native.queueState(this.queue);
    if (state === QUEUE_BROKEN) return 'broken';
    return state === QUEUE_RUNNING ? 'running' : 'stopped';
  }

  /** Takes a record of the ring from the device. A ring that changed or was disabled is quiesced. */
  setRecord(record: RemoteQueue): void {
    this.#failed = false;
    this.#enabled = record.enabled;
    if (!record.enabled) {
      this.quiesce();
      return;
    }
    if (this.#ring === null || !sameRing(this.#ring, record)) {
      this.quiesce();
      this.#resumeAt = null;
    }
    this.#ring = record;
  }

  /**
   * Starts on the ring. Throws if it has a bad size or lies outside the memory; it is unusable until the next
   * record.
   */
  start(memory: MemoryHandle, features: bigint, notifyFd: number, area: DriverArea | null = null): void {
    const ring = this.#ring;
    if (ring === null) throw new Error(`${this.name} has no ring`);
    try {
      const { desc, avail, used, num: size } = ring;
      const lastAvailIdx = this.#resumeAt ?? ring.lastAvailIdx;
      const setup = { memory, desc, avail, used, size, lastAvailIdx, features, notifyFd };
      const words = area && { words: { ...area, serial: ring.serial } };
      native.queueStart(this.queue, { ...setup, ...words });
      this.#started = true;
      this.#startedOn = ring;
      // The previous driver may have died between using entries and the call. With EVENT_IDX the peer
      // requested a call when its event index is passed (VIRTIO 1.2, 2.7.10), and we would not pass it again
      // for 2^16 entries.
      if (notifyFd >= 0) native.eventfdSignal(notifyFd);
    } catch (error) {
      this.#failed = true;
      this.#startErrors++;
      throw error;
    }
  }

  /**
   * Stops and waits for bursts to end; a later start continues from here. Returns the index of the next entry
   * not taken, if known: the wait for a burst that sleeps in the peer's memory is abandoned, and the queue is
   * stuck until it returns.
   */
  quiesce(): number {
    if (this.#started) this.#leave();
    return this.#resumeAt ?? this.#ring?.lastAvailIdx ?? this.#stoppedAt;
  }

  #leave(): void {
    const patience = performance.now() - lastGivenUp < 5 * PATIENCE_MS ? LITTLE_PATIENCE_MS : PATIENCE_MS;
    const at = native.queueQuiesce(this.queue, patience);
    if (at === QUEUE_STUCK) {
      if (!this.#stuck) this.#report(`${this.name} is stuck: a burst does not return from the peer's memory`);
      if (!this.#stuck) lastGivenUp = performance.now();
      this.#stuck = true;
      return;
    }
    this.#started = this.#stuck = false;
    // The ring may have been replaced while the engine was stuck.
    const same = this.#startedOn !== null && this.#ring !== null && sameRing(this.#startedOn, this.#ring);
    this.#resumeAt = same ? at : null;
  }

  /** Stops for QUEUE_STOP: the next start takes the index from a new record. Null if the engine is stuck. */
  stop(): number | null {
    this.#stoppedAt = this.quiesce();
    this.#ring = null;
    this.#enabled = false;
    this.#resumeAt = null;
    return this.#stuck ? null : this.#stoppedAt;
  }

  /** The next receive burst delivers a RARP broadcast of this address. */
  announce(mac: Uint8Array): void {
    native.queueAnnounce(this.queue, mac);
  }

  /** Forgets the ring, as the peer or its memory is gone. */
  forget(): void {
    this.stop();
    native.queueAnnounce(this.queue, null);
    this.#stoppedAt = 0;
    this.#failed = false;
  }

  destroy(): void {
    this.quiesce();
    native.queueDestroy(this.queue);
  }
}

function sameRing(a: RemoteQueue, b: RemoteQueue): boolean {
  return (
    a.serial === b.serial && a.num === b.num && a.desc === b.desc && a.avail === b.avail && a.used === b.used
  );
}
