// SPDX-License-Identifier: BSD-3-Clause
// The PCI function as a vfio-user client sees it: configuration space, register BAR, MSI-X BAR, memory BARs,
// interrupts and doorbells. Connects the virtio registers to the protocol; the session handles their meaning.
import { PCI_CONFIG_SPACE_BYTES } from '../../../src/abi/pci.ts';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../../src/abi/vfio-user.ts';
import { VHOST_PCI_MEMORY_BARS, VHOST_PCI_VECTOR_QUEUES } from '../../../src/abi/vhost-pci.ts';
import { native } from '../../../src/native.ts';
import { closeQuietly, ownedBy } from '../../socket/fds.ts';
import { type OnFault, runAll } from '../../socket/guard.ts';
import { EventRelay } from '../eventfd/event-relay.ts';
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
  MSIX_PBA_OFFSET,
  NOTIFY_MULTIPLIER,
  NOTIFY_OFFSET,
  REGISTER_BAR,
  REGISTER_BAR_BYTES,
} from './bars.ts';
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

interface Doorbell {
  readonly fd: number;
  readonly relay: EventRelay;
}

const PAGE_MASK = ~4095n;
/** Register accesses are 1, 2, 4 or 8 bytes; configuration space and tables accept any size. */
const MAX_REGISTER_BYTES = 8;

export class PciFunction implements VfioTarget {
  readonly dma = new DmaTable();
  readonly irqs: IrqTable;
  readonly virtio: VirtioRegisters;
  readonly #options: PciFunctionOptions;
  readonly #eventfds: EventfdRoles;
  readonly #config: PciConfig;
  readonly #msix = new Uint8Array(MSIX_BAR_BYTES);
  #doorbells: Doorbell[] = [];
  /** The file of each memory BAR as last reported to this client; null for "absent". */
  #reported = new Map<number, FileIdentity | null>();

  constructor(options: PciFunctionOptions) {
    this.#options = options;
    this.#eventfds = options.eventfds ?? new EventfdRoles();
    const vectors = VHOST_PCI_VECTOR_QUEUES + 2 * options.queuePairs;
    this.irqs = new IrqTable(vectors, this.#eventfds);
    this.virtio = new VirtioRegisters(options.queuePairs, vectors, {
      ...options.hooks,
      raise: (vector) => this.irqs.raise(vector),
    });
    this.#config = new PciConfig({
      subsystemId: options.subsystemId,
      vectors,
      barBytes: (bar) => this.regionSize(bar),
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
      () => this.#closeDoorbells(),
    );
  }

  reset(): void {
    this.virtio.reset();
    this.#config.reset();
    this.#msix.fill(0);
  }

  close(): void {
    this.irqs.clear();
    this.dma.clear();
    this.#closeDoorbells();
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
    if (!(VHOST_PCI_MEMORY_BARS as readonly number[]).includes(index)) return { size, mappable: null };
    const file = this.#options.memoryFiles().get(index) ?? null;
    this.#reported.set(index, file && { device: file.device, inode: file.inode, size: file.size });
    const bytes = (file?.size ?? 0n) & PAGE_MASK;
    return { size, mappable: file && bytes > 0n ? { fd: file.fd, bytes } : null };
  }

  readRegion(index: number, offset: number, count: number): Uint8Array {
    switch (index) {
      case REGISTER_BAR:
        checkRegister(offset, count);
        return this.virtio.read(offset, count);
      case MSIX_BAR:
        return this.#msix.slice(offset, offset + count);
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
        // Pending bits are read-only and read as 0.
        this.#msix.set(
          data.subarray(0, Math.max(0, MSIX_PBA_OFFSET - offset)),
          Math.min(offset, MSIX_PBA_OFFSET),
        );
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

  /** One eventfd per queue notification register, created when a client first asks. */
  notifyEventfds(): readonly NotifyEventfd[] {
    if (this.#doorbells.length === 0) this.#makeAllDoorbells();
    return this.#doorbells.map(({ fd }, queue) => ({
      offset: NOTIFY_OFFSET + queue * NOTIFY_MULTIPLIER,
      fd,
    }));
  }

  /** Creates all or none, even when the process runs out of descriptors. */
  #makeAllDoorbells(): void {
    try {
      this.#makeDoorbells();
    } catch (error) {
      this.#closeDoorbells();
      throw error;
    }
  }

  #makeDoorbells(): void {
    for (const queue of this.virtio.queues.keys()) {
      const fd = native.eventfd();
      ownedBy(fd, () => {
        // A doorbell is only broken by the driver itself, and harms only the driver.
        const relay = new EventRelay(
          fd,
          () => this.#options.hooks.notified(queue),
          () => {},
          this.#options.onFault,
        );
        this.#doorbells.push({ fd, relay });
        this.#eventfds.note(fd, 'read');
      });
    }
  }

  #closeDoorbells(): void {
    for (const { fd, relay } of this.#doorbells) {
      relay.close();
      this.#eventfds.forget(fd);
      closeQuietly(fd);
    }
    this.#doorbells = [];
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
