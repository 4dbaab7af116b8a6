// SPDX-License-Identifier: BSD-3-Clause
// One engine: a queue of the addon attached to a ring in the peer's memory, and the rule for its start index.
//
// The index of a new ring comes from its record. A ring that this engine has worked on, and that the peer has
// not stopped, continues where the engine left it: the index in the record is then older than ours.
import { type DriverArea, type MemoryHandle, native } from '../native.ts';
import { QueueEngine } from './queue-engine.ts';
import type { RemoteQueue } from './records.ts';

export class Engine extends QueueEngine {
  /** The ring of the last record that enabled it; a record that disables it need not repeat it. */
  #ring: RemoteQueue | null = null;
  #enabled = false;
  #resumeAt: number | null = null;
  /** The ring of the last start. */
  #startedOn: RemoteQueue | null = null;
  /** The index last reported for QUEUE_STOP, in case the request is repeated. */
  #stoppedAt = 0;

  get ringSize(): number {
    return this.#enabled ? (this.#ring?.num ?? 0) : 0;
  }

  /** True if the ring can be started and has not proved unusable. */
  get startable(): boolean {
    return !this.started && !this.failed && this.#enabled;
  }

  /** Takes a record of the ring from the device. A ring that changed or was disabled is quiesced. */
  setRecord(record: RemoteQueue): void {
    this.forgive();
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
    this.begin(() => {
      const { desc, avail, used, num: size } = ring;
      const lastAvailIdx = this.#resumeAt ?? ring.lastAvailIdx;
      const setup = { memory, desc, avail, used, size, lastAvailIdx, features, notifyFd };
      const words = area && { words: { ...area, serial: ring.serial } };
      native.queueStart(this.queue, { ...setup, ...words });
      this.#startedOn = ring;
    });
    // The previous driver may have died between using entries and the call. With EVENT_IDX the peer
    // requested a call when its event index is passed (VIRTIO 1.2, 2.7.10), and we would not pass it again
    // for 2^16 entries.
    if (notifyFd >= 0) native.eventfdSignal(notifyFd);
  }

  /**
   * Stops and waits for bursts to end; a later start continues from here. Returns the index of the next entry
   * not taken, if known: the wait for a burst that sleeps in the peer's memory is abandoned, and the queue is
   * stuck until it returns.
   */
  quiesce(): number {
    if (this.started) this.#keepIndex(this.leave());
    return this.#resumeAt ?? this.#ring?.lastAvailIdx ?? this.#stoppedAt;
  }

  #keepIndex(at: number | null): void {
    if (at === null) return;
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
    return this.state === 'stuck' ? null : this.#stoppedAt;
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
    this.forgive();
  }
}

function sameRing(a: RemoteQueue, b: RemoteQueue): boolean {
  return (
    a.serial === b.serial && a.num === b.num && a.desc === b.desc && a.avail === b.avail && a.used === b.used
  );
}
