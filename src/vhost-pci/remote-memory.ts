// SPDX-License-Identifier: BSD-3-Clause
// The peer's memory: memory BARs mapped into this process, and the table by which the ring engine translates guest-physical
// addresses. No engine may run while it is exchanged; the caller sees to that.
import type { MappedArea, PciDevice } from '../bus/pci-device.ts';
import { PmdError } from '../errors.ts';
import { type MemoryHandle, type MemoryRegion, native } from '../native.ts';
import type { RemoteRegion } from './messages.ts';

export class RemoteMemory {
  readonly #device: PciDevice;
  readonly #remap: boolean;
  readonly #bars = new Map<number, readonly MappedArea[]>();
  #table: MemoryHandle | null = null;
  #bytes = 0n;

  /** With `remap`, BARs are mapped anew at each message (REMAP); without, once and for ever. */
  constructor(device: PciDevice, remap: boolean) {
    this.#device = device;
    this.#remap = remap;
  }

  /** The table, or null while there is no memory. */
  get table(): MemoryHandle | null {
    return this.#table;
  }

  /** Bytes of the peer's memory. */
  get bytes(): bigint {
    return this.#bytes;
  }

  /**
   * Takes the regions of a REMOTE_MEM message; none means to forget the memory. Throws VPCI_BAD_MEMORY when one lies outside
   * what the device lets be mapped; there is no memory then.
   */
  replace(regions: readonly RemoteRegion[]): void {
    this.#dropTable();
    if (this.#remap) this.#unmapAll();
    if (regions.length === 0) return;
    this.#table = native.memoryCreate(regions.map((region) => this.#place(region)));
    this.#bytes = regions.reduce((sum, { size }) => sum + size, 0n);
  }

  /** Gives all back. */
  close(): void {
    this.#dropTable();
    this.#unmapAll();
  }

  #place(region: RemoteRegion): MemoryRegion {
    const start = Number(region.offset);
    const end = Number(region.offset + region.size);
    const area = this.#areas(region.bar).find(
      ({ barOffset, size }) => start >= barOffset && end <= barOffset + size,
    );
    if (!area) {
      const where = `${region.size} bytes at offset ${region.offset} of BAR ${region.bar}`;
      throw new PmdError('VPCI_BAD_MEMORY', `The device names memory that it does not offer: ${where}`);
    }
    return { gpa: region.gpa, size: region.size, mapping: area.mapping, offset: start - area.barOffset };
  }

  #areas(bar: number): readonly MappedArea[] {
    const known = this.#bars.get(bar);
    if (known && known.length > 0) return known;
    const areas = this.#device.mapBar(bar);
    this.#bars.set(bar, areas);
    return areas;
  }

  #dropTable(): void {
    if (this.#table !== null) native.memoryDestroy(this.#table);
    this.#table = null;
    this.#bytes = 0n;
  }

  #unmapAll(): void {
    for (const areas of this.#bars.values()) for (const { mapping } of areas) native.unmap(mapping);
    this.#bars.clear();
  }
}
