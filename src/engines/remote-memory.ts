// SPDX-License-Identifier: BSD-3-Clause
// The peer's memory: windows of the carrier (or an alternate mapping of one) mapped into this process, and
// the table with which the ring engine translates guest-physical addresses. The caller quiesces all engines
// before replacing it.
import { PmdError } from '../errors.ts';
import {
  type FdWatcher,
  type MappingHandle,
  type MemoryHandle,
  type MemoryRegion,
  native,
} from '../native.ts';
import { type AlternateWindow, checkSameMemory, mapAlternate } from './alternate-mapping.ts';
import type { Carrier, SharedArea } from './carrier.ts';
import { PeerMemoryLimit } from './hole-allowance.ts';
import { measureReadSpeed, type ReadSpeed } from './read-speed.ts';
import type { RemoteRegion } from './records.ts';

export interface RemoteMemoryOptions {
  /** True: windows are mapped again at each replace. False: once only. */
  readonly remap: boolean;
  /** Replaces a window; null for none. */
  readonly alternate: AlternateWindow | null;
  /**
   * Bytes that a peer's memory may have regardless of the cost to this process; null to compute the limit.
   */
  readonly maxPeerMemory: number | null;
  /** Mapped memory was lost and reads as zeros now; called on the event loop. */
  readonly onLost: (reason: string) => void;
}

export class RemoteMemory {
  readonly #carrier: Carrier;
  readonly #options: RemoteMemoryOptions;
  readonly #windows = new Map<number, readonly SharedArea[]>();
  readonly #limit: PeerMemoryLimit;
  readonly #lossFd: number;
  readonly #lossWatcher: FdWatcher;
  #closed = false;
  #table: MemoryHandle | null = null;
  #bytes = 0n;
  #readSpeed: ReadSpeed | null = null;

  constructor(carrier: Carrier, options: RemoteMemoryOptions) {
    this.#carrier = carrier;
    this.#options = options;
    this.#limit = new PeerMemoryLimit(carrier.name, options.maxPeerMemory);
    this.#lossFd = native.eventfd();
    this.#lossWatcher = native.watchFd(this.#lossFd, () => this.#lost());
  }

  /** The table; null while there is no memory. */
  get table(): MemoryHandle | null {
    return this.#table;
  }

  /** Bytes of the peer's memory. */
  get bytes(): bigint {
    return this.#bytes;
  }

  /**
   * Read speed of the memory, measured at each replace; null while there is no memory that can be read
   * safely.
   */
  get readSpeed(): ReadSpeed | null {
    return this.#readSpeed;
  }

  /** "write-back, 4.1 ns to read a line"; "none" while there is no memory. */
  get type(): string {
    const speed = this.#readSpeed;
    if (speed === null) return 'none';
    const { alternate } = this.#options;
    const through = alternate ? `, through ${alternate.path}@${alternate.offset}` : '';
    return `${speed.cacheType}, ${speed.nsPerLine.toFixed(1)} ns to read a line${through}`;
  }

  /**
   * Replaces the regions; an empty list forgets the memory. Throws VPCI_BAD_MEMORY if a region lies outside
   * the carrier's mappable areas or in a read-only one, or if the alternate mapping is not of the same
   * memory; there is no memory then.
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

  /** Releases everything. Idempotent. */
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
    for (const { mapping } of [...this.#windows.values()].flat()) {
      const { loss } = native.mappingState(mapping);
      if (loss === 'none') continue;
      this.#options.onLost(
        loss === 'shrunk'
          ? "The peer's memory file was shrunk, or is out of pages: its queues stop"
          : this.#limit.exceeded(mapping),
      );
      return;
    }
  }

  /**
   * Maps as much as the regions need, which may differ from the previous size. The window itself sets the
   * limits.
   */
  #takeAlternate(alternate: AlternateWindow, regions: readonly RemoteRegion[]): void {
    this.#unmap(alternate.window);
    const inWindow = regions.filter(({ window }) => window === alternate.window);
    if (inWindow.length === 0) return;
    const direct = this.#carrier.mapWindow(alternate.window);
    try {
      for (const region of inWindow) this.#areaOf(region, direct);
      const area = mapAlternate(
        alternate,
        Math.max(...inWindow.map(({ offset, size }) => Number(offset + size))),
      );
      this.#admit(alternate.window, [area]);
      checkSameMemory(alternate, this.#carrier.windowName(alternate.window), area, direct, inWindow);
    } catch (error) {
      this.#unmap(alternate.window);
      throw error;
    } finally {
      for (const { mapping } of direct) native.unmap(mapping);
    }
  }

  #place(region: RemoteRegion): MemoryRegion {
    const area = this.#areaOf(region, this.#areas(region.window));
    if (!area.writable) throw this.#badRegion(region, 'cannot be written');
    const offset = Number(region.offset) - area.offset;
    return { gpa: region.gpa, size: region.size, mapping: area.mapping, offset };
  }

  #mayHang(region: RemoteRegion): boolean {
    return this.#areaOf(region, this.#areas(region.window)).mayHang ?? false;
  }

  #areas(window: number): readonly SharedArea[] {
    const known = this.#windows.get(window);
    if (known && known.length > 0) return known;
    const areas = this.#carrier.mapWindow(window);
    this.#admit(window, areas);
    return areas;
  }

  /** Keeps the areas of a window if they are within the limits; on error, the window is unmapped. */
  #admit(window: number, areas: readonly SharedArea[]): void {
    this.#windows.set(window, areas);
    try {
      for (const { mapping, size } of areas) {
        this.#limit.admit(mapping, size);
        this.#notifyLoss(mapping);
      }
    } catch (error) {
      this.#unmap(window);
      throw error;
    }
  }

  /** Only mappings of files can be lost, not device memory mapped by the kernel. */
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
    for (const window of [...this.#windows.keys()]) this.#unmap(window);
  }

  #unmap(window: number): void {
    for (const { mapping } of this.#windows.get(window) ?? []) {
      this.#limit.release(mapping);
      native.unmap(mapping);
    }
    this.#windows.delete(window);
  }

  /** The area that contains a region; throws VPCI_BAD_MEMORY if there is none. */
  #areaOf(region: RemoteRegion, areas: readonly SharedArea[]): SharedArea {
    const start = Number(region.offset);
    const end = Number(region.offset + region.size);
    const area = areas.find(({ offset, size }) => start >= offset && end <= offset + size);
    if (area) return area;
    throw this.#badRegion(region, 'it does not offer');
  }

  #badRegion({ window, offset, size }: RemoteRegion, fault: string): PmdError {
    const where = `${size} bytes at offset ${offset} of ${this.#carrier.windowName(window)}`;
    return new PmdError('VPCI_BAD_MEMORY', `The device names memory that ${fault}: ${where}`);
  }
}
