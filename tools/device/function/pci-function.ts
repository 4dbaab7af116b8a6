// SPDX-License-Identifier: BSD-3-Clause
// The PCI function as a vfio-user client sees it: configuration space, register BAR, MSI-X BAR, memory BARs,
// interrupts and doorbells. Connects the virtio registers to the protocol; the session handles their meaning.
import { PCI_CONFIG_SPACE_BYTES } from '../../../src/abi/pci.ts';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../../src/abi/vfio-user.ts';
import { VHOST_PCI_MEMORY_BARS, VHOST_PCI_VECTOR_QUEUES } from '../../../src/abi/vhost-pci.ts';
import { type OnFault, runAll } from '../../socket/guard.ts';
import { EventfdRoles } from '../eventfd/eventfd-roles.ts';
import type { NotifyEventfd, RegionDescription, VfioTarget } from '../vfio-user/commands.ts';
import { type DmaMap, DmaTable } from '../vfio-user/dma-table.ts';
import { IrqTable } from '../vfio-user/irq-table.ts';
import { EINVAL, VfioError } from '../vfio-user/vfio-error.ts';
import { barBytes, type FileIdentity, sameFile } from '../vhost-user/bar-layout.ts';
import { type MemoryFile, readFile, writeFile } from '../vhost-user/memory-table.ts';
import {
  MSIX_BAR,
  MSIX_BAR_BYTES,
  NOTIFY_MULTIPLIER,
  NOTIFY_OFFSET,
  REGISTER_BAR,
  REGISTER_BAR_BYTES,
} from './bars.ts';
import { Doorbells } from './doorbells.ts';
import { MsixBar } from './msix-bar.ts';
import { PciConfig } from './pci-config.ts';
import { type RegisterHooks, VirtioRegisters } from './virtio-registers.ts';

export interface PciFunctionOptions {
  readonly queuePairs: number;
  readonly subsystemId: number;
  /** The files that the memory BARs show now. */
  memoryFiles(): ReadonlyMap<number, MemoryFile>;
  dmaUnmapping(maps: readonly DmaMap[]): void;
  /** Shared with the peer's side; omitted where there is none. */
  readonly eventfds?: EventfdRoles;
  /** Called when our own code threw while serving the client; ends the client's connection. */
  readonly onFault: OnFault;
  readonly hooks: Omit<RegisterHooks, 'raise'>;
}

const PAGE_MASK = ~4095n;
/** Register accesses are 1, 2, 4 or 8 bytes; configuration space and tables accept any size. */
const MAX_REGISTER_BYTES = 8;

export class PciFunction implements VfioTarget {
  readonly dma = new DmaTable();
  readonly irqs: IrqTable;
  readonly virtio: VirtioRegisters;
  readonly #options: PciFunctionOptions;
  readonly #config: PciConfig;
  readonly #msix = new MsixBar();
  readonly #doorbells: Doorbells;
  /** The file of each memory BAR as last reported to this client; null for "absent". */
  #reported = new Map<number, FileIdentity | null>();

  constructor(options: PciFunctionOptions) {
    this.#options = options;
    const eventfds = options.eventfds ?? new EventfdRoles();
    const vectors = VHOST_PCI_VECTOR_QUEUES + 2 * options.queuePairs;
    this.irqs = new IrqTable(vectors, eventfds);
    this.virtio = new VirtioRegisters(options.queuePairs, vectors, {
      ...options.hooks,
      raise: (vector) => this.irqs.raise(vector),
    });
    const doorbells = this.virtio.queues.map((_, queue) => ({
      offset: NOTIFY_OFFSET + queue * NOTIFY_MULTIPLIER,
      bytes: 2 as const,
      ring: () => options.hooks.notified(queue),
    }));
    this.#doorbells = new Doorbells(doorbells, eventfds, options.onFault);
    this.#config = new PciConfig({
      subsystemId: options.subsystemId,
      vectors,
      barBytes: (bar) => this.regionSize(bar),
      memoryBytes: (bar) => this.#mappableBytes(bar),
      windowRead: (bar, offset, length) => this.#windowRead(bar, offset, length),
      windowWrite: (bar, offset, data) => this.#windowWrite(bar, offset, data),
    });
  }

  /**
   * Whether a client that maps each BAR only once sees these files. BARs that it never queried do not count.
   */
  showsToClient(files: ReadonlyMap<number, FileIdentity>): boolean {
    for (const bar of VHOST_PCI_MEMORY_BARS) {
      const reported = this.#reported.get(bar);
      const file = files.get(bar);
      if (reported === undefined || file === undefined) continue;
      if (reported === null || !sameFile(reported, file) || reported.size !== file.size) return false;
    }
    return true;
  }

  attached(): void {
    this.#reported.clear();
  }

  detached(): void {
    runAll(
      this.#options.onFault,
      () => this.reset(),
      () => this.irqs.clear(),
      () => this.dma.clear(),
      () => this.#doorbells.close(),
    );
  }

  reset(): void {
    this.virtio.reset();
    this.#config.reset();
    this.#msix.reset();
  }

  close(): void {
    this.irqs.clear();
    this.dma.clear();
    this.#doorbells.close();
  }

  dmaUnmapping(maps: readonly DmaMap[]): void {
    this.#options.dmaUnmapping(maps);
  }

  regionSize(index: number): bigint {
    switch (index) {
      case REGISTER_BAR:
        return BigInt(REGISTER_BAR_BYTES);
      case MSIX_BAR:
        return BigInt(MSIX_BAR_BYTES);
      case VFIO_PCI_CONFIG_REGION_INDEX:
        return BigInt(PCI_CONFIG_SPACE_BYTES);
      default:
        return barBytes(this.#options.memoryFiles().get(index)?.size ?? 0n);
    }
  }

  describeRegion(index: number): RegionDescription {
    const size = this.regionSize(index);
    if (!(VHOST_PCI_MEMORY_BARS as readonly number[]).includes(index))
      return { size, writable: true, mappable: null };
    const file = this.#options.memoryFiles().get(index) ?? null;
    this.#reported.set(index, file && { device: file.device, inode: file.inode, size: file.size });
    const bytes = this.#mappableBytes(index);
    return { size, writable: true, mappable: file && bytes > 0n ? { fd: file.fd, bytes } : null };
  }

  readRegion(index: number, offset: number, count: number): Uint8Array {
    switch (index) {
      case REGISTER_BAR:
        checkRegister(offset, count);
        return this.virtio.read(offset, count);
      case MSIX_BAR:
        return this.#msix.read(offset, count);
      case VFIO_PCI_CONFIG_REGION_INDEX:
        return this.#config.read(offset, count);
      default: {
        const data = this.#memoryAccess(index, (file) => readFile(file, BigInt(offset), count));
        if (!data)
          throw new VfioError(EINVAL, `no memory at offset 0x${offset.toString(16)} of BAR ${index}`);
        return data;
      }
    }
  }

  writeRegion(index: number, offset: number, data: Uint8Array): void {
    switch (index) {
      case REGISTER_BAR:
        checkRegister(offset, data.length);
        this.virtio.write(offset, data);
        return;
      case MSIX_BAR:
        this.#msix.write(offset, data);
        return;
      case VFIO_PCI_CONFIG_REGION_INDEX:
        this.#config.write(offset, data);
        return;
      default: {
        const done = this.#memoryAccess(
          index,
          (file) => BigInt(offset + data.length) <= file.size && writeFile(file, BigInt(offset), data),
        );
        if (!done)
          throw new VfioError(EINVAL, `no memory at offset 0x${offset.toString(16)} of BAR ${index}`);
      }
    }
  }

  notifyEventfds(): readonly NotifyEventfd[] {
    return this.#doorbells.eventfds();
  }

  /** Whole pages of the file that a memory BAR shows. */
  #mappableBytes(bar: number): bigint {
    return (this.#options.memoryFiles().get(bar)?.size ?? 0n) & PAGE_MASK;
  }

  #memoryAccess<T>(bar: number, access: (file: MemoryFile) => T): T | null {
    const file = this.#options.memoryFiles().get(bar);
    return file ? access(file) : null;
  }

  /**
   * VIRTIO 1.2, 4.1.4.9.2: null when the window cannot reach the address; the data then keeps its old value.
   */
  #windowRead(bar: number, offset: number, length: number): Uint8Array | null {
    if (!this.#inRegisterBar(bar, offset, length)) return null;
    return this.readRegion(bar, offset, length);
  }

  #windowWrite(bar: number, offset: number, data: Uint8Array): void {
    if (this.#inRegisterBar(bar, offset, data.length)) this.writeRegion(bar, offset, data);
  }

  #inRegisterBar(bar: number, offset: number, length: number): boolean {
    return bar === REGISTER_BAR && offset % length === 0 && offset + length <= REGISTER_BAR_BYTES;
  }
}

function checkRegister(offset: number, count: number): void {
  if (count > MAX_REGISTER_BYTES)
    throw new VfioError(EINVAL, `a register access of ${count} bytes at 0x${offset.toString(16)}`);
}
