// SPDX-License-Identifier: BSD-3-Clause
// A PCI function of registers, MSI-X and shared memory, without virtio: BAR 0 has the registers, BAR 1 MSI-X,
// other BARs show files of our own. What the registers mean is said by its owner.
import { PCI_CONFIG_SPACE_BYTES } from '../../../src/abi/pci.ts';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../../src/abi/vfio-user.ts';
import { type OnFault, runAll } from '../../socket/guard.ts';
import type { EventfdRoles } from '../eventfd/eventfd-roles.ts';
import type { NotifyEventfd, RegionDescription, VfioTarget } from '../vfio-user/commands.ts';
import { DmaTable } from '../vfio-user/dma-table.ts';
import { IrqTable } from '../vfio-user/irq-table.ts';
import { EINVAL, VfioError } from '../vfio-user/vfio-error.ts';
import { barBytes } from '../vhost-user/bar-layout.ts';
import { type MemoryFile, readFile, writeFile } from '../vhost-user/memory-table.ts';
import { MSIX_BAR, MSIX_BAR_BYTES, REGISTER_BAR } from './bars.ts';
import { type CapabilityImage, ConfigSpace, type Identity } from './config-space.ts';
import { type Doorbell, Doorbells } from './doorbells.ts';
import { MsixBar } from './msix-bar.ts';
import type { RegisterTable } from './register-table.ts';

/** What a BAR shows, from its start; the file remains its owner's. */
export interface BarMemory {
  readonly file: MemoryFile;
  readonly writable: boolean;
}

export interface MemoryFunctionOptions {
  readonly identity: Identity;
  readonly vectors: number;
  readonly capabilities: readonly CapabilityImage[];
  readonly registers: RegisterTable;
  readonly memory: ReadonlyMap<number, BarMemory>;
  readonly doorbells: readonly Doorbell[];
  /** Shared by all functions of a device: a vector of one must not be a doorbell of another. */
  readonly eventfds: EventfdRoles;
  /** A driver connected. */
  attached(): void;
  /** The driver left, or reset the function. */
  reset(): void;
  /** The driver is gone; after `reset`. */
  detached(): void;
  /** Called when our own code threw while serving the client; ends the client's connection. */
  readonly onFault: OnFault;
}

/** Register accesses are 1, 2, 4 or 8 bytes. */
const MAX_REGISTER_BYTES = 8;

export class MemoryFunction implements VfioTarget {
  /** Unused: the function accesses no memory of its driver. QEMU reports that memory all the same. */
  readonly dma = new DmaTable();
  readonly irqs: IrqTable;
  readonly config: ConfigSpace;
  readonly #options: MemoryFunctionOptions;
  readonly #msix = new MsixBar();
  readonly #doorbells: Doorbells;

  constructor(options: MemoryFunctionOptions) {
    this.#options = options;
    const { identity, vectors, capabilities, eventfds } = options;
    this.irqs = new IrqTable(vectors, eventfds);
    this.#doorbells = new Doorbells(options.doorbells, eventfds, options.onFault);
    const narrow = [REGISTER_BAR, MSIX_BAR].map((index) => ({ index, wide: false }));
    const wide = [...options.memory.keys()].map((index) => ({ index, wide: true }));
    const bars = [...narrow, ...wide].map((bar) => ({ ...bar, size: () => this.regionSize(bar.index) }));
    this.config = new ConfigSpace({ identity, vectors, bars, capabilities });
  }

  attached(): void {
    this.#options.attached();
  }

  detached(): void {
    runAll(
      this.#options.onFault,
      () => this.reset(),
      () => this.close(),
      () => this.#options.detached(),
    );
  }

  reset(): void {
    this.config.reset();
    this.#msix.reset();
    this.#options.reset();
  }

  close(): void {
    this.irqs.clear();
    this.dma.clear();
    this.#doorbells.close();
  }

  dmaUnmapping(): void {}

  regionSize(index: number): bigint {
    switch (index) {
      case REGISTER_BAR:
        return BigInt(this.#options.registers.bytes);
      case MSIX_BAR:
        return BigInt(MSIX_BAR_BYTES);
      case VFIO_PCI_CONFIG_REGION_INDEX:
        return BigInt(PCI_CONFIG_SPACE_BYTES);
      default:
        return barBytes(this.#options.memory.get(index)?.file.size ?? 0n);
    }
  }

  describeRegion(index: number): RegionDescription {
    const size = this.regionSize(index);
    const memory = this.#options.memory.get(index);
    if (!memory) return { size, writable: true, mappable: null };
    const { file, writable } = memory;
    return { size, writable, mappable: { fd: file.fd, bytes: file.size } };
  }

  readRegion(index: number, offset: number, count: number): Uint8Array {
    switch (index) {
      case REGISTER_BAR:
        checkRegister(offset, count);
        return this.#options.registers.read(offset, count);
      case MSIX_BAR:
        return this.#msix.read(offset, count);
      case VFIO_PCI_CONFIG_REGION_INDEX:
        return this.config.read(offset, count);
      default: {
        const { file } = this.#memory(index, offset);
        return readFile(file, BigInt(offset), count) ?? outside(index, offset);
      }
    }
  }

  writeRegion(index: number, offset: number, data: Uint8Array): void {
    switch (index) {
      case REGISTER_BAR:
        checkRegister(offset, data.length);
        this.#options.registers.write(offset, data);
        return;
      case MSIX_BAR:
        this.#msix.write(offset, data);
        return;
      case VFIO_PCI_CONFIG_REGION_INDEX:
        this.config.write(offset, data);
        return;
      default: {
        const { file, writable } = this.#memory(index, offset);
        if (!writable) throw new VfioError(EINVAL, `a write to BAR ${index}, which is read-only`);
        const inside = BigInt(offset + data.length) <= file.size;
        if (!inside || !writeFile(file, BigInt(offset), data)) outside(index, offset);
      }
    }
  }

  notifyEventfds(): readonly NotifyEventfd[] {
    return this.#doorbells.eventfds();
  }

  #memory(index: number, offset: number): BarMemory {
    return this.#options.memory.get(index) ?? outside(index, offset);
  }
}

function outside(index: number, offset: number): never {
  throw new VfioError(EINVAL, `no memory at offset 0x${offset.toString(16)} of BAR ${index}`);
}

function checkRegister(offset: number, count: number): void {
  if (count > MAX_REGISTER_BYTES)
    throw new VfioError(EINVAL, `a register access of ${count} bytes at 0x${offset.toString(16)}`);
}
