// SPDX-License-Identifier: BSD-3-Clause
// The gate words of a driver (docs/device-abi.md, "Gate words"): the device writes which assignment of a ring may be worked, and
// reads whether a burst is inside. So a ring is taken back with no help from the driver except that its bursts check the gate.
//
// The words lie in the driver's memory and may hold anything: a driver that lies gains only what it has anyway, the peer's memory.
import {
  VHOST_PCI_GATE_ALIGN,
  VHOST_PCI_GATE_REVOKED,
  VHOST_PCI_GATE_WORDS,
} from '../../../src/abi/vhost-pci.ts';
import { native } from '../../../src/native.ts';
import { after } from '../../socket/guard.ts';
import type { DriverMemory, Place } from './driver-memory.ts';

/** Most bursts are over in less, so that no timer is needed. */
const SPIN_MS = 0.05;
const TICK_MS = 1;

export type Outcome = 'left' | 'late' | 'unmapped';

export class DriverGates {
  readonly #places: (Place | null)[];
  #unmapped = false;
  #late = false;
  /** Queues whose word must not change before a reset: the burst that stayed inside may read it at any moment. */
  readonly #revoked = new Set<number>();

  /** `areas`: the driver area of each data queue; null for one that the driver did not set up. */
  constructor(memory: DriverMemory, areas: readonly (bigint | null)[]) {
    this.#places = areas.map((area) => (area === null ? null : placeOf(memory, area)));
  }

  /** Every queue has its words, where the device can reach them. */
  get complete(): boolean {
    return this.#places.every((place) => place !== null);
  }

  /** Bursts that know the ring by this serial may touch it. */
  open(queue: number, serial: number): void {
    this.#allow(queue, serial);
  }

  /** No burst that begins from now on touches the ring. */
  close(queue: number): void {
    this.#allow(queue, 0);
  }

  closeAll(): void {
    for (const queue of this.#places.keys()) this.close(queue);
    this.#spin([...this.#places.keys()]);
  }

  /** The memory under the words goes away; waiting for them ends. */
  unmap(): void {
    this.#unmapped = true;
    for (const place of this.#places.splice(0)) if (place) native.unmap(place.mapping);
  }

  /**
   * Resolves once no burst is inside any of the queues, which are closed; 'late' when that takes longer. A driver that was late once
   * is not waited for again.
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
    // Work in place that comes back some time is not to touch the ring then.
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

/** Null for words that do not lie as they must, here and in the driver's memory. */
function placeOf(memory: DriverMemory, area: bigint): Place | null {
  if (area % BigInt(VHOST_PCI_GATE_ALIGN) !== 0n) return null;
  const place = memory.pin(area, VHOST_PCI_GATE_WORDS.size);
  if (!place || place.offset % 4 === 0) return place;
  native.unmap(place.mapping);
  return null;
}

const BUSY = VHOST_PCI_GATE_WORDS.fields.busy.offset;
const ALLOWED = VHOST_PCI_GATE_WORDS.fields.allowed.offset;
