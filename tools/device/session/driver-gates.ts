// SPDX-License-Identifier: BSD-3-Clause
// The gate words of a driver (docs/device-abi.md, "Gate words"): the device writes which assignment of a ring
// may be worked, and reads whether a burst is inside. A ring can thus be taken back without the driver's
// help, except that its bursts check the gate.
//
// The words lie in the driver's memory and may hold anything: a lying driver gains only what it already has,
// access to the peer's memory.
import {
  VHOST_PCI_GATE_ALIGN,
  VHOST_PCI_GATE_REVOKED,
  VHOST_PCI_GATE_WORDS,
} from '../../../src/abi/vhost-pci.ts';
import { native } from '../../../src/native.ts';
import { after } from '../../socket/guard.ts';
import type { DriverMemory, Place } from './driver-memory.ts';

/** Most bursts finish sooner, so no timer is needed. */
const SPIN_MS = 0.05;
const TICK_MS = 1;

export type Outcome = 'left' | 'late' | 'unmapped';

export class DriverGates {
  readonly #places: (Place | null)[];
  #unmapped = false;
  #late = false;
  /**
   * Queues whose word must not change before a reset, because the burst that stayed inside may read it at any
   * time.
   */
  readonly #revoked = new Set<number>();

  /** `areas`: the driver area of each data queue; null for a queue that the driver did not set up. */
  constructor(memory: DriverMemory, areas: readonly (bigint | null)[]) {
    this.#places = areas.map((area) => (area === null ? null : placeOf(memory, area)));
  }

  /** Every queue has gate words that the device can access. */
  get complete(): boolean {
    return this.#places.every((place) => place !== null);
  }

  /** Lets bursts that know the ring by this serial access it. */
  open(queue: number, serial: number): void {
    this.#allow(queue, serial);
  }

  /** Keeps bursts that begin from now on out of the ring. */
  close(queue: number): void {
    this.#allow(queue, 0);
  }

  closeAll(): void {
    for (const queue of this.#places.keys()) this.close(queue);
    this.#spin([...this.#places.keys()]);
  }

  /** The memory that holds the words is about to be removed; ends all waiting for them. */
  unmap(): void {
    this.#unmapped = true;
    for (const place of this.#places.splice(0)) if (place) native.unmap(place.mapping);
  }

  /**
   * Resolves once no burst is inside any of these queues, whose gates are closed; 'late' on timeout. A driver
   * that was late once is not waited for again.
   */
  async left(queues: readonly number[], timeoutMs: number): Promise<Outcome> {
    if (this.#unmapped) return 'unmapped';
    if (this.#spin(queues)) return 'left';
    for (const end = performance.now() + timeoutMs; !this.#late && performance.now() < end; ) {
      await new Promise<void>((resolve, reject) => after(TICK_MS, resolve, reject));
      if (this.#unmapped) return 'unmapped';
      if (this.#idle(queues)) return 'left';
    }
    this.#late = true;
    // Keeps in-place work that resumes later from touching the ring.
    for (const queue of queues) {
      this.#allow(queue, VHOST_PCI_GATE_REVOKED);
      this.#revoked.add(queue);
    }
    return 'late';
  }

  #spin(queues: readonly number[]): boolean {
    for (const end = performance.now() + SPIN_MS; performance.now() < end; )
      if (this.#idle(queues)) return true;
    return this.#idle(queues);
  }

  #idle(queues: readonly number[]): boolean {
    return queues.every((queue) => {
      const place = this.#places[queue];
      return !place || native.atomicRead(place.mapping, place.offset + BUSY) === 0;
    });
  }

  #allow(queue: number, serial: number): void {
    const place = this.#places[queue];
    if (place && !this.#revoked.has(queue)) native.atomicWrite(place.mapping, place.offset + ALLOWED, serial);
  }
}

/** Null for words that are misaligned, in the driver's memory or in our mapping, or that cannot be mapped. */
function placeOf(memory: DriverMemory, area: bigint): Place | null {
  if (area % BigInt(VHOST_PCI_GATE_ALIGN) !== 0n) return null;
  const place = memory.pin(area, VHOST_PCI_GATE_WORDS.size);
  if (!place || place.offset % 4 === 0) return place;
  native.unmap(place.mapping);
  return null;
}

const BUSY = VHOST_PCI_GATE_WORDS.fields.busy.offset;
const ALLOWED = VHOST_PCI_GATE_WORDS.fields.allowed.offset;
