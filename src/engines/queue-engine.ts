// SPDX-License-Identifier: BSD-3-Clause
// What engines of every session have in common: a queue of the addon, started on a ring and quiesced, and
// what became of it. The subclass knows the ring.
import { native, QUEUE_BROKEN, QUEUE_RUNNING, QUEUE_STUCK, type QueueHandle } from '../native.ts';
import type { EngineRole } from './carrier.ts';

export type EngineState = 'stopped' | 'running' | 'broken' | 'stuck' | 'failed';

/** Milliseconds to wait for a burst to return; less shortly after such a wait has failed. */
const PATIENCE_MS = 1000;
const LITTLE_PATIENCE_MS = 10;
let lastGivenUp = Number.NEGATIVE_INFINITY;

export abstract class QueueEngine {
  readonly role: EngineRole;
  /** Number of the queue pair. */
  readonly index: number;
  readonly queue: QueueHandle;
  #started = false;
  /** A burst has not returned, so no other ring can be started. */
  #stuck = false;
  #failed = false;
  #startErrors = 0;
  readonly #report: (line: string) => void;

  /** `report` receives one line about a burst that does not return. */
  constructor(role: EngineRole, index: number, report: (line: string) => void = () => {}) {
    this.role = role;
    this.index = index;
    this.#report = report;
    this.queue = native.queueCreate(role);
  }

  /** Entries of the ring; 0 while the engine has none. */
  abstract readonly ringSize: number;

  /** "RX engine 0". */
  get name(): string {
    return `${this.role.toUpperCase()} engine ${this.index}`;
  }

  /** Number of failed starts. */
  get startErrors(): number {
    return this.#startErrors;
  }

  /** True between a start and the next quiesce, even if the ring has become broken meanwhile. */
  get started(): boolean {
    return this.#started;
  }

  /** The last start failed; see forgive(). */
  get failed(): boolean {
    return this.#failed;
  }

  get state(): EngineState {
    if (this.#stuck) return 'stuck';
    if (this.#failed) return 'failed';
    if (!this.#started) return 'stopped';
    const state = native.queueState(this.queue);
    if (state === QUEUE_BROKEN) return 'broken';
    return state === QUEUE_RUNNING ? 'running' : 'stopped';
  }

  destroy(): void {
    if (this.#started) this.leave();
    native.queueDestroy(this.queue);
  }

  /** Runs `start`, which starts the queue, and counts a failure, which it throws. */
  protected begin(start: () => void): void {
    try {
      start();
      this.#started = true;
    } catch (error) {
      this.#failed = true;
      this.#startErrors++;
      throw error;
    }
  }

  /** The ring is another one: a failed start no longer counts against it. */
  protected forgive(): void {
    this.#failed = false;
  }

  /**
   * Stops a started queue and waits for bursts to end; returns the index of the next entry not taken. Null if
   * the wait for a burst that sleeps in the peer's memory was abandoned: the queue is stuck until it returns.
   */
  protected leave(): number | null {
    const patience = performance.now() - lastGivenUp < 5 * PATIENCE_MS ? LITTLE_PATIENCE_MS : PATIENCE_MS;
    const at = native.queueQuiesce(this.queue, patience);
    if (at === QUEUE_STUCK) {
      if (!this.#stuck) this.#report(`${this.name} is stuck: a burst does not return from the peer's memory`);
      if (!this.#stuck) lastGivenUp = performance.now();
      this.#stuck = true;
      return null;
    }
    this.#started = this.#stuck = false;
    return at;
  }
}
