// SPDX-License-Identifier: BSD-3-Clause
// The engine of a section: 'rx' drains the ring in the peer's section, 'tx' owns the one in ours. Unlike a
// ring in the memory of a guest, it always begins at index 0, in a section that was zeroed.
import { QueueEngine } from '../engines/queue-engine.ts';
import { native, type SectionSetup } from '../native.ts';

export class SectionEngine extends QueueEngine {
  #entries = 0;

  get ringSize(): number {
    return this.started ? this.#entries : 0;
  }

  /** True if it can be started and this pair of sections has not proved unusable. */
  get startable(): boolean {
    return !this.started && !this.failed;
  }

  start(setup: SectionSetup): void {
    this.begin(() => native.queueStartSection(this.queue, setup));
    this.#entries = setup.entries;
    // The peer may have sent, or waited for room, before this engine ran.
    if (setup.notifyFd >= 0) native.eventfdSignal(setup.notifyFd);
  }

  /** Stops and forgets the ring. False if a burst does not return from it. */
  quiesce(): boolean {
    this.forgive();
    return !this.started || this.leave() !== null;
  }
}
