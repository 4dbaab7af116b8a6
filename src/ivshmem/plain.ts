// SPDX-License-Identifier: BSD-3-Clause
// Two sides in memory and nothing else: files, or stock QEMU's ivshmem-plain. Such a side can only poll.
import type { SectionCarrier, SideMemory } from '../sections/carrier.ts';
import type { MemoryPair } from './pair.ts';

export class PlainCarrier implements SectionCarrier {
  readonly name: string;
  readonly own: SideMemory;
  readonly peer: SideMemory;
  readonly states = 'header';
  readonly doorbellId: number | null = null;
  readonly vectors: number = 0;
  protected readonly pair: MemoryPair;

  /** Takes ownership of the pair. */
  constructor(pair: MemoryPair) {
    this.pair = pair;
    this.name = pair.name;
    this.own = pair.own;
    this.peer = pair.peer;
  }

  setPeer(_doorbellId: number, _vectors: number): void {}

  doorbell(_vector: number): number {
    return -1;
  }

  interruptFd(_vector: number): number {
    return -1;
  }

  onState(_handler: () => void): void {}

  enableInterrupts(): void {}

  onRemoved(handler: (reason: string) => void): void {
    for (const pci of this.pair.functions) pci.onRemoved(handler);
  }

  details(): [string, string | number][] {
    const { functions } = this.pair;
    const buses = functions.map(({ name, busName }) => `${name} (${busName})`);
    return [
      ['Carrier', functions.length > 0 ? 'ivshmem' : 'files'],
      ['Memory', this.name],
      ...(buses.length > 0 ? [['Bus', buses.join(', ')] as [string, string]] : []),
    ];
  }

  close(): void {
    this.pair.close();
  }
}
