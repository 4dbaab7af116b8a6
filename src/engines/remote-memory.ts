// SPDX-License-Identifier: BSD-3-Clause
// The peer's memory: memory BARs (or an alternate mapping of the same memory) mapped into this process, and the table by which the ring
// engine translates guest-physical addresses. No engine may run while it is exchanged; the caller sees to that.
import type { MappedArea, PciDevice } from '../bus/pci-device.ts';
import { PmdError } from '../errors.ts';
import {
  type FdWatcher,
  type MappingHandle,
  type MemoryHandle,
  type MemoryRegion,
  native,
} from '../native.ts';
import {
  ALTERNATE_WINDOW,
  type AlternateMapping,
  checkSameMemory,
  mapAlternate,
} from './alternate-mapping.ts';
import { PeerMemoryLimit } from './hole-allowance.ts';
import { measureReadSpeed, type ReadSpeed } from './read-speed.ts';
import type { RemoteRegion } from './records.ts';

export interface RemoteMemoryOptions {
  /** BARs are mapped anew at each message (REMAP); without, once and for ever. */
  readonly remap: boolean;
  /** Takes the place of BAR 2; null for none. */
  readonly alternate: AlternateMapping | null;
  /** Bytes that a peer's memory may have whatever it costs this process; null when that is to be worked out. */
  readonly maxPeerMemory: number | null;
  /** Memory was lost while it was mapped, and is zeros now; comes on the event loop. */
  readonly onLost: (reason: string) => void;
}

export class RemoteMemory {
  readonly #device: PciDevice;
  readonly #options: RemoteMemoryOptions;
  readonly #bars = new Map<number, readonly MappedArea[]>();
  readonly #limit: PeerMemoryLimit;
  readonly #lossFd: number;
  readonly #lossWatcher: FdWatcher;
  #closed = false;
  #table: MemoryHandle | null = null;
  #bytes = 0n;
  #readSpeed: ReadSpeed | null = null;

  constructor(device: PciDevice, options: RemoteMemoryOptions) {
    this.#device = device;
    this.#options = options;
    this.#limit = new PeerMemoryLimit(device.name, options.maxPeerMemory);
    this.#lossFd = native.eventfd();
    this.#lossWatcher = native.watchFd(this.#lossFd, () => this.#lost());
  }

  /** The table, or null while there is no memory. */
  get table(): MemoryHandle | null {
    return this.#table;
  }

  /** Bytes of the peer's memory. */
  get bytes(): bigint {
    return this.#bytes;
  }

  /** How the memory reads, measured at each replace; null while there is none that may be read without fear. */
  get readSpeed(): ReadSpeed | null {
    return this.#readSpeed;
  }

  /**
   * Takes the regions of a REMOTE_MEM message; none means to forget the memory. Throws VPCI_BAD_MEMORY when one lies outside
   * what the device lets be mapped, or the alternate mapping is of other memory; there is no memory then.
   */
  replace(regions: readonly RemoteRegion[]): void {
    this.#dropTable();
    if (this.#options.remap) this.#unmapAll();
    if (regions.length === 0) return;
    if (this.#options.alternate) this.#takeAlternate(this.#options.alternate, regions);
    const placed = regions.map((region) => this.#place(region));
    this.#table = native.memoryCreate(placed);
    this.#bytes = regions.reduce((sum, { size }) => sum + size, 0n);
    const first = placed.find((_, i) => !this.#mayHang(regions[i] as RemoteRegion));
    if (first) this.#readSpeed = measureReadSpeed(first.mapping, first.offset, Number(first.size));
  }

  /** Gives all back. Idempotent. */
  close(): void {
    this.#dropTable();
    this.#unmapAll();
    if (this.#closed) return;
    this.#closed = true;
    this.#lossWatcher.close();
    native.close(this.#lossFd);
  }

  #lost(): void {
    native.eventfdDrain(this.#lossFd);
    for (const { mapping } of [...this.#bars.values()].flat()) {
      const { loss } = native.mappingState(mapping);
      if (loss === 'none') continue;
      this.#options.onLost(
        loss === 'shrunk'
          ? "The peer's memory file has become shorter, or has no pages left: its queues stop"
          : this.#limit.exceeded(mapping),
      );
      return;
    }
  }

  /** Maps as much as the regions need, which may be another size than before. The BAR itself sets the limits. */
  #takeAlternate(alternate: AlternateMapping, regions: readonly RemoteRegion[]): void {
    this.#unmap(ALTERNATE_WINDOW);
    const inBar = regions.filter(({ bar }) => bar === ALTERNATE_WINDOW);
    if (inBar.length === 0) return;
    const direct = this.#device.mapBar(ALTERNATE_WINDOW);
    try {
      for (const region of inBar) areaOf(region, direct);
      const area = mapAlternate(
        alternate,
        Math.max(...inBar.map(({ offset, size }) => Number(offset + size))),
      );
      this.#admit(ALTERNATE_WINDOW, [area]);
      checkSameMemory(alternate, area, direct, inBar);
    } catch (error) {
      this.#unmap(ALTERNATE_WINDOW);
      throw error;
    } finally {
      for (const { mapping } of direct) native.unmap(mapping);
    }
  }

  #place(region: RemoteRegion): MemoryRegion {
    const area = areaOf(region, this.#areas(region.bar));
    const offset = Number(region.offset) - area.barOffset;
    return { gpa: region.gpa, size: region.size, mapping: area.mapping, offset };
  }

  #mayHang(region: RemoteRegion): boolean {
    return areaOf(region, this.#areas(region.bar)).mayHang ?? false;
  }

  #areas(bar: number): readonly MappedArea[] {
    const known = this.#bars.get(bar);
    if (known && known.length > 0) return known;
    const areas = this.#device.mapBar(bar);
    this.#admit(bar, areas);
    return areas;
  }

  /** Keeps what may be kept of the peer's memory; nothing of the BAR stays mapped when it throws. */
  #admit(bar: number, areas: readonly MappedArea[]): void {
    this.#bars.set(bar, areas);
    try {
      for (const { mapping, size } of areas) {
        this.#limit.admit(mapping, size);
        this.#notifyLoss(mapping);
      }
    } catch (error) {
      this.#unmap(bar);
      throw error;
    }
  }

  /** Only a file can be lost; a BAR that the kernel maps is none. */
  #notifyLoss(mapping: MappingHandle): void {
    try {
      native.notifyLoss(mapping, this.#lossFd);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    }
  }

  #dropTable(): void {
    if (this.#table !== null) native.memoryDestroy(this.#table);
    this.#table = null;
    this.#bytes = 0n;
    this.#readSpeed = null;
  }

  #unmapAll(): void {
    for (const bar of [...this.#bars.keys()]) this.#unmap(bar);
  }

  #unmap(bar: number): void {
    for (const { mapping } of this.#bars.get(bar) ?? []) {
      this.#limit.release(mapping);
      native.unmap(mapping);
    }
    this.#bars.delete(bar);
  }
}

/** The area that holds a region; throws VPCI_BAD_MEMORY when none does. */
function areaOf(region: RemoteRegion, areas: readonly MappedArea[]): MappedArea {
  const start = Number(region.offset);
  const end = Number(region.offset + region.size);
  const area = areas.find(({ barOffset, size }) => start >= barOffset && end <= barOffset + size);
  if (area) return area;
  const where = `${region.size} bytes at offset ${region.offset} of BAR ${region.bar}`;
  throw new PmdError('VPCI_BAD_MEMORY', `The device names memory that it does not offer: ${where}`);
}
