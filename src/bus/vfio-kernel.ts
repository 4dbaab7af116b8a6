// SPDX-License-Identifier: BSD-3-Clause
// The kernel's VFIO bus: a PCI function that is bound to vfio-pci, in a guest or on a bare machine.
//
// Registers and configuration space are accessed by pread and pwrite on the device; memory BARs are mapped
// from it. Interrupts are MSI-X eventfds; the REQ interrupt is the kernel's request to release the device.
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_REQ_IRQ_INDEX,
  VFIO_REGION_INFO_FLAG_WRITE,
} from '../abi/vfio-user.ts';
import { failedTo, PmdError } from '../errors.ts';
import { native } from '../native.ts';
import { enableBusMaster } from '../pci/config-space.ts';
import { SYSFS, type SysfsPciDevice } from '../pci/sysfs.ts';
import { allocateDmaMemory, IovaAllocator } from './dma.ts';
import { fileRegisters } from './file-registers.ts';
import { checkVector, Interrupt } from './interrupts.ts';
import { type Ioctl, ioctl, systemCalls } from './ioctl.ts';
import { Liveness } from './liveness.ts';
import type { BarPart, DmaMemory, MappedArea, PciDevice, Registers } from './pci-device.ts';
import { allocatePhysicalMemory } from './physical-memory.ts';
import { clipAreas, type RegionInfo } from './region-info.ts';
import { RegisterDoorbells } from './register-doorbells.ts';
import { VfioCalls } from './vfio-calls.ts';
import { closeVfioFds, openVfioHandles, type VfioHandles, type VfioPlaces } from './vfio-group.ts';

const BARS = 6;
const REQUESTED = 'the kernel requested its release';

export interface VfioOptions extends Partial<VfioPlaces> {
  /** Replaces ioctl(2) in tests. */
  readonly ioctl?: Ioctl;
}

export class VfioKernelPciDevice implements PciDevice {
  readonly name: string;
  readonly busName = 'vfio-pci';
  readonly systemCalls = systemCalls().name;
  readonly canRemap = false;
  readonly interrupts = 'eventfd';
  readonly notes: readonly string[];
  readonly config: Registers;
  readonly vectors: number;
  readonly #calls: VfioCalls;
  readonly #handles: VfioHandles;
  readonly #regions: readonly RegionInfo[];
  readonly #iovas = new IovaAllocator();
  readonly #dma: DmaMemory[] = [];
  readonly #interrupts = new Map<number, Interrupt>();
  readonly #request = new Interrupt(() => this.#gone(REQUESTED));
  readonly #doorbells: RegisterDoorbells;
  readonly #liveness: Liveness;
  readonly #canReset: boolean;
  #onRemoved: (reason: string) => void = () => {};
  #closed = false;

  /** Takes ownership of `handles`; if the constructor throws, the caller closes them. */
  constructor(name: string, handles: VfioHandles, calls: VfioCalls) {
    this.name = name;
    this.#handles = handles;
    this.#calls = calls;
    const info = calls.deviceInfo(handles.device);
    if ((info.flags & VFIO_DEVICE_FLAGS_PCI) === 0 || info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX) {
      throw new PmdError('VPCI_WRONG_DEVICE', `${name} is not a PCI device for VFIO`);
    }
    this.#canReset = (info.flags & VFIO_DEVICE_FLAGS_RESET) !== 0;
    this.#regions = Array.from({ length: VFIO_PCI_CONFIG_REGION_INDEX + 1 }, (_, index) =>
      calls.regionInfo(handles.device, index),
    );
    this.config = this.#registers(VFIO_PCI_CONFIG_REGION_INDEX, 'configuration space');
    this.vectors = calls.irqInfo(handles.device, VFIO_PCI_MSIX_IRQ_INDEX).count;
    enableBusMaster(this.config);
    this.notes = handles.noIommu
      ? [`${name} is driven without an IOMMU: the device can access all memory of this machine`]
      : [];
    this.#doorbells = new RegisterDoorbells((bar) => this.bar(bar));
    this.#liveness = new Liveness(this.config, (reason) => this.#gone(reason));
    this.#watchRequest();
  }

  bar(index: number): Registers {
    if (this.barSize(index) === 0)
      throw new PmdError('VPCI_NO_BAR', `The device ${this.name} has no BAR ${index}`);
    return this.#registers(index, `BAR ${index}`);
  }

  barSize(index: number): number {
    return index >= 0 && index < BARS ? Number(this.#regions[index]?.size ?? 0n) : 0;
  }

  mapBar(index: number, part?: BarPart): MappedArea[] {
    const region = this.barSize(index) > 0 ? this.#regions[index] : undefined;
    if (!region) return [];
    const writable = (region.flags & VFIO_REGION_INFO_FLAG_WRITE) !== 0 && part?.writable !== false;
    const mapped: MappedArea[] = [];
    try {
      for (const { offset, size } of clipAreas(region.areas, part)) {
        const start = Number(region.fileOffset + offset);
        const mapping = native.mapFd(this.#handles.device, start, Number(size), writable);
        mapped.push({ mapping, barOffset: Number(offset), size: Number(size), writable });
      }
    } catch (error) {
      for (const { mapping } of mapped) native.unmap(mapping);
      throw failedTo(`map BAR ${index} of ${this.name}`, error);
    }
    return mapped;
  }

  onInterrupt(vector: number, handler: () => void): void {
    checkVector(this, vector);
    this.#interrupts.set(vector, new Interrupt(handler));
  }

  interruptFd(vector: number): number {
    checkVector(this, vector);
    const interrupt = new Interrupt(null);
    this.#interrupts.set(vector, interrupt);
    return interrupt.arm();
  }

  enableInterrupts(): void {
    if (this.#interrupts.size === 0) return;
    for (const interrupt of this.#interrupts.values()) interrupt.arm();
    // All vectors in one call: many kernels allocate vectors at the first call only (VFIO_IRQ_INFO_NORESIZE).
    const count = Math.max(...this.#interrupts.keys()) + 1;
    const fds = Array.from({ length: count }, (_, vector) => this.#interrupts.get(vector)?.eventfd ?? -1);
    try {
      this.#calls.setEventfds(this.#handles.device, VFIO_PCI_MSIX_IRQ_INDEX, fds);
    } catch (error) {
      throw failedTo(`set up ${count} interrupt vectors of ${this.name}`, error);
    }
  }

  doorbell(bar: number, offset: number, value: number, width?: 2 | 4): number {
    return this.#doorbells.fd(bar, offset, value, width);
  }

  allocateDma(bytes: number): DmaMemory {
    const memory = this.#handles.noIommu
      ? allocatePhysicalMemory(bytes, this.name)
      : allocateDmaMemory(bytes, this.#iovas, ({ mapping, iova, size }) =>
          this.#map(native.mappingAddress(mapping), iova, size),
        );
    this.#dma.push(memory);
    return memory;
  }

  reset(): void {
    if (!this.#canReset) return;
    try {
      this.#calls.reset(this.#handles.device);
      enableBusMaster(this.config);
    } catch (error) {
      throw failedTo(`reset ${this.name}`, error);
    }
  }

  onRemoved(handler: (reason: string) => void): void {
    this.#onRemoved = handler;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onRemoved = () => {};
    this.#liveness.close();
    this.#doorbells.close();
    const interrupts = [...this.#interrupts.values(), this.#request];
    for (const interrupt of interrupts) interrupt.silence();
    if (this.#interrupts.size > 0) this.#quietly(() => this.#disableMsix());
    for (const interrupt of interrupts) interrupt.close();
    for (const { mapping, iova, size } of this.#dma) {
      if (!this.#handles.noIommu) {
        this.#quietly(() => this.#calls.dmaUnmap(this.#handles.container, iova, size));
      }
      native.unmap(mapping);
    }
    const { container, group, device } = this.#handles;
    closeVfioFds([container, group, device]);
  }

  #registers(index: number, what: string): Registers {
    const region = this.#regions[index] as RegionInfo;
    return fileRegisters({
      fd: this.#handles.device,
      start: Number(region.fileOffset),
      size: Number(region.size),
      name: `${what} of ${this.name}`,
    });
  }

  #map(vaddr: bigint, iova: bigint, size: number): void {
    try {
      this.#calls.dmaMap(this.#handles.container, vaddr, iova, size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOMEM') {
        throw new PmdError(
          'ENOMEM',
          `Failed to map ${size} bytes of memory for ${this.name}: the limit of locked memory is too low (ulimit -l)`,
        );
      }
      throw failedTo(`map ${size} bytes of memory for ${this.name}`, error);
    }
  }

  #disableMsix(): void {
    this.#calls.disableIrqs(this.#handles.device, VFIO_PCI_MSIX_IRQ_INDEX);
  }

  /** Optional: without this interrupt (older kernels, some devices) Liveness detects the removal. */
  #watchRequest(): void {
    this.#quietly(() => {
      if (this.#calls.irqInfo(this.#handles.device, VFIO_PCI_REQ_IRQ_INDEX).count === 0) return;
      this.#calls.setEventfds(this.#handles.device, VFIO_PCI_REQ_IRQ_INDEX, [this.#request.arm()]);
    });
  }

  #gone(reason: string): void {
    this.#liveness.close();
    const report = this.#onRemoved;
    this.#onRemoved = () => {};
    report(reason);
  }

  /** For cleanup, or where there is a fallback: errors are ignored. */
  #quietly(run: () => void): void {
    try {
      run();
    } catch {
      // See above.
    }
  }
}

/** Opens a function that is bound to vfio-pci; throws what openVfioHandles throws, or VPCI_WRONG_DEVICE. */
export function openVfioPci(device: SysfsPciDevice, options: VfioOptions = {}): PciDevice {
  const calls = new VfioCalls(options.ioctl ?? ioctl);
  const places = { sysfs: options.sysfs ?? SYSFS, devVfio: options.devVfio ?? '/dev/vfio' };
  const handles = openVfioHandles(device, calls, places);
  try {
    return new VfioKernelPciDevice(device.address, handles, calls);
  } catch (error) {
    closeVfioFds([handles.container, handles.group, handles.device]);
    throw failedTo(`open ${device.address}`, error);
  }
}
