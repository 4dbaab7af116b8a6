// SPDX-License-Identifier: BSD-3-Clause
// A carrier in this process: two memory files, each end with its own side writable, and eventfds between
// them.
import { ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../native.ts';
import type { SectionCarrier, SideMemory } from './carrier.ts';

export const SIDE_BYTES = 0x80000;

/** A file without a name on tmpfs; unlike a memfd of the addon, it can be shrunk. */
function memoryFile(bytes: number): number {
  const folder = mkdtempSync('/dev/shm/vpci-section-');
  const fd = openSync(join(folder, 'side'), 'w+');
  rmSync(folder, { recursive: true });
  ftruncateSync(fd, bytes);
  return fd;
}

/** What both ends share: a file for each side, and eventfds for the vectors of each. */
export class FakeWire {
  readonly bytes: number;
  readonly fds: readonly [number, number];
  readonly events: readonly (readonly number[])[];
  /** Entries of a state table, for carriers without headers. */
  readonly table = [0, 0];

  constructor(bytes: number = SIDE_BYTES, vectors = 0) {
    this.bytes = bytes;
    this.fds = [memoryFile(bytes), memoryFile(bytes)];
    this.events = [0, 1].map(() => Array.from({ length: vectors }, () => native.eventfd()));
  }

  close(): void {
    for (const fd of [...this.fds, ...this.events.flat()]) native.close(fd);
  }
}

export class FakeSectionCarrier implements SectionCarrier {
  readonly name: string;
  readonly own: SideMemory;
  readonly peer: SideMemory;
  readonly states: 'header' | 'table';
  readonly doorbellId: number | null;
  readonly vectors: number;
  contact: { id: number; vectors: number } = { id: -1, vectors: 0 };
  stateHandler: () => void = () => {};
  remove: (reason: string) => void = () => {};
  closed = false;
  readonly #wire: FakeWire;
  readonly #end: 0 | 1;

  constructor(wire: FakeWire, end: 0 | 1, states: 'header' | 'table' = 'header') {
    this.name = `end ${end}`;
    this.#wire = wire;
    this.#end = end;
    this.states = states;
    this.vectors = wire.events[end]?.length ?? 0;
    this.doorbellId = this.vectors > 0 ? 7 + end : null;
    const side = (which: 0 | 1, writable: boolean): SideMemory => ({
      mapping: native.mapFd(wire.fds[which], 0, wire.bytes, writable),
      offset: 0,
      size: wire.bytes,
      writable,
    });
    this.own = side(end, true);
    this.peer = side(end === 0 ? 1 : 0, false);
  }

  get #other(): 0 | 1 {
    return this.#end === 0 ? 1 : 0;
  }

  readState(): number {
    return this.#wire.table[this.#other] ?? 0;
  }

  writeState(state: number): void {
    this.#wire.table[this.#end] = state;
  }

  setPeer(doorbellId: number, vectors: number): void {
    this.contact = { id: doorbellId, vectors };
  }

  doorbell(vector: number): number {
    return vector < this.contact.vectors ? (this.#wire.events[this.#other]?.[vector] ?? -1) : -1;
  }

  interruptFd(vector: number): number {
    return this.#wire.events[this.#end]?.[vector] ?? -1;
  }

  onState(handler: () => void): void {
    this.stateHandler = handler;
  }

  enableInterrupts(): void {}

  onRemoved(handler: (reason: string) => void): void {
    this.remove = handler;
  }

  details(): [string, string | number][] {
    return [['Carrier', 'fake']];
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    native.unmap(this.own.mapping);
    native.unmap(this.peer.mapping);
  }
}
