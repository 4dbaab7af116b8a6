// SPDX-License-Identifier: BSD-3-Clause
// One engine: a queue of the addon joined to a ring in the peer's memory, and the rule by which index it starts from.
//
// The index of a new ring comes from its record. A ring that this engine has worked on, and that the peer has not stopped,
// goes on where the engine left it: the device's number is older than ours then.
import {
  type MemoryHandle,
  native,
  type PositionPlace,
  QUEUE_BROKEN,
  QUEUE_RUNNING,
  type QueueHandle,
} from '../native.ts';
import type { RemoteQueue } from './messages.ts';

/** 'tx' gives to a ring on which the peer receives, 'rx' takes from a ring on which it sends. */
export type EngineRole = 'rx' | 'tx';

export type EngineState = 'stopped' | 'running' | 'broken' | 'failed';

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
  #failed = false;
  #startErrors = 0;
  /** What QUEUE_STOP was answered with, in case it is asked again. */
  #stoppedAt = 0;

  constructor(role: EngineRole, index: number) {
    this.role = role;
    this.index = index;
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
  start(memory: MemoryHandle, features: bigint, notifyFd: number, place: PositionPlace | null = null): void {
    const ring = this.#ring;
    if (ring === null) throw new Error(`${this.name} has no ring`);
    try {
      const { desc, avail, used, num: size } = ring;
      const lastAvailIdx = this.#resumeAt ?? ring.lastAvailIdx;
      const setup = { memory, desc, avail, used, size, lastAvailIdx, features, notifyFd };
      const position = place && { position: { ...place, serial: ring.serial } };
      native.queueStart(this.queue, { ...setup, ...position });
      this.#started = true;
      // The driver before may have died between using entries and telling of them. With EVENT_IDX the peer asked to be told once
      // its event index is passed (VIRTIO 1.2, 2.7.10), and nothing that we do would pass it again for 2^16 entries.
      if (notifyFd >= 0) native.eventfdSignal(notifyFd);
    } catch (error) {
      this.#failed = true;
      this.#startErrors++;
      throw error;
    }
  }

  /** Stops and waits for bursts to end; a later start goes on from here. Returns the index of the next entry not taken. */
  quiesce(): number {
    if (this.#started) {
      this.#resumeAt = native.queueQuiesce(this.queue);
      this.#started = false;
    }
    return this.#resumeAt ?? this.#ring?.lastAvailIdx ?? this.#stoppedAt;
  }

  /** Stops for QUEUE_STOP: the next start takes the index of the record that comes before it. */
  stop(): number {
    this.#stoppedAt = this.quiesce();
    this.#ring = null;
    this.#enabled = false;
    this.#resumeAt = null;
    return this.#stoppedAt;
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
