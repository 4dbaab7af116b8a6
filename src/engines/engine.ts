// SPDX-License-Identifier: BSD-3-Clause
// One engine: a queue of the addon joined to a ring in the peer's memory, and the rule by which index it starts from.
//
// The index of a new ring comes from its record. A ring that this engine has worked on, and that the peer has not stopped,
// goes on where the engine left it: the device's number is older than ours then.
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

/** Milliseconds that a burst has to come back, and those of the next ones when it has just been waited for in vain. */
const PATIENCE_MS = 1000;
const LITTLE_PATIENCE_MS = 10;
let lastGivenUp = Number.NEGATIVE_INFINITY;

export class Engine {
  readonly role: EngineRole;
  /** Number of the queue pair. */
  readonly index: number;
  readonly queue: QueueHandle;
  /** The ring as it was told last while it was enabled; a record that switches it off need not repeat it. */
  #ring: RemoteQueue | null = null;
  #enabled = false;
  #resumeAt: number | null = null;
  #started = false;
  /** What it was started with. */
  #startedOn: RemoteQueue | null = null;
  /** A burst has not come back, so that nothing else can be started. */
  #stuck = false;
  #failed = false;
  #startErrors = 0;
  /** What QUEUE_STOP was answered with, in case it is asked again. */
  #stoppedAt = 0;

  readonly #report: (line: string) => void;

  /** `report` takes one line about a burst that does not come back. */
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

  /** Entries of the ring; 0 while there is none. */
  get ringSize(): number {
    return this.#enabled ? (this.#ring?.num ?? 0) : 0;
  }

  /** Times that a ring could not be started. */
  get startErrors(): number {
    return this.#startErrors;
  }

  /** True between a start and the next quiesce, also when the peer has broken the ring meanwhile. */
  get started(): boolean {
    return this.#started;
  }

  /** True when the ring can be started and has not been found unusable. */
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

  /** Takes what the device says of the ring. A ring that changed or was switched off is quiesced. */
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

  /** Joins the ring. Throws when it is of a bad size or lies outside the memory; it stays unusable until the next record. */
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
      // The driver before may have died between using entries and telling of them. With EVENT_IDX the peer asked to be told once
      // its event index is passed (VIRTIO 1.2, 2.7.10), and nothing that we do would pass it again for 2^16 entries.
      if (notifyFd >= 0) native.eventfdSignal(notifyFd);
    } catch (error) {
      this.#failed = true;
      this.#startErrors++;
      throw error;
    }
  }

  /**
   * Stops and waits for bursts to end; a later start goes on from here. Returns the index of the next entry not taken, as far as
   * that is known: a burst that sleeps in the peer's memory is given up, and the queue is stuck until it comes back.
   */
  quiesce(): number {
    if (this.#started) this.#leave();
    return this.#resumeAt ?? this.#ring?.lastAvailIdx ?? this.#stoppedAt;
  }

  #leave(): void {
    const patience = performance.now() - lastGivenUp < 5 * PATIENCE_MS ? LITTLE_PATIENCE_MS : PATIENCE_MS;
    const at = native.queueQuiesce(this.queue, patience);
    if (at === QUEUE_STUCK) {
      if (!this.#stuck)
        this.#report(`${this.name} is given up: a burst does not come back from the peer's memory`);
      if (!this.#stuck) lastGivenUp = performance.now();
      this.#stuck = true;
      return;
    }
    this.#started = this.#stuck = false;
    // The ring may have become another while a burst did not come back.
    const same = this.#startedOn !== null && this.#ring !== null && sameRing(this.#startedOn, this.#ring);
    this.#resumeAt = same ? at : null;
  }

  /** Stops for QUEUE_STOP: the next start takes the index of the record that comes before it. Null when it is stuck. */
  stop(): number | null {
    this.#stoppedAt = this.quiesce();
    this.#ring = null;
    this.#enabled = false;
    this.#resumeAt = null;
    return this.#stuck ? null : this.#stoppedAt;
  }

  /** The next receive burst gives a RARP broadcast of this address. */
  announce(mac: Uint8Array): void {
    native.queueAnnounce(this.queue, mac);
  }

  /** Forgets the ring: the peer or its memory is gone. */
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
