// SPDX-License-Identifier: BSD-3-Clause
// The UIO bus: a PCI function that is bound to uio_pci_generic, for machines without an IOMMU. BARs and
// configuration space come from sysfs. Unlike VFIO, it has no interrupts (uio_pci_generic does not support
// MSI-X, so a timer calls the handlers) and no IOMMU (the device uses physical addresses, and nothing keeps
// it from other memory).
import { closeSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, failedTo, PmdError } from '../errors.ts';
import { type MappingHandle, native } from '../native.ts';
import { enableBusMaster, listCapabilities } from '../pci/config-space.ts';
import { readMsix } from '../pci/msix.ts';
import { registersOver } from '../pci/registers.ts';
import { IORESOURCE_MEM, type PciResource, readText, type SysfsPciDevice } from '../pci/sysfs.ts';
import { checkAccess, fileRegisters } from './file-registers.ts';
import { checkVector } from './interrupts.ts';
import { Liveness } from './liveness.ts';
import type { BarPart, DmaMemory, MappedArea, PciDevice, Registers } from './pci-device.ts';
import { allocatePhysicalMemory } from './physical-memory.ts';
import { RegisterDoorbells } from './register-doorbells.ts';

/** PCI 3.0, 6.1; for root, the file `config` has the extended space too, which is not used here. */
const CONFIG_BYTES = 256;
/**
 * Polling interval for changes: far below the second that the device waits for a reply (docs/device-abi.md).
 */
const POLL_MS = 10;

/** Descriptors of an open function. */
interface UioHandles {
  /**
   * /dev/uioN: when it is closed, however this process ends, the kernel disables the device's access to
   * memory.
   */
  readonly uio: number;
  readonly config: number;
}

export class UioPciDevice implements PciDevice {
  readonly name: string;
  readonly busName = 'uio_pci_generic';
  readonly canRemap = false;
  readonly interrupts = 'polled';
  readonly notes: readonly string[];
  readonly config: Registers;
  readonly vectors: number;
  readonly #sysfs: SysfsPciDevice;
  readonly #handles: UioHandles;
  readonly #registerMaps = new Map<number, MappingHandle>();
  readonly #handlers = new Map<number, () => void>();
  readonly #dma: DmaMemory[] = [];
  readonly #doorbells: RegisterDoorbells;
  readonly #liveness: Liveness;
  #timer: NodeJS.Timeout | null = null;
  #onRemoved: (reason: string) => void = () => {};
  #closed = false;

  /** Takes ownership of `handles`; if the constructor throws, the caller closes them. */
  constructor(device: SysfsPciDevice, handles: UioHandles) {
    this.name = device.address;
    this.#sysfs = device;
    this.#handles = handles;
    const name = `configuration space of ${this.name}`;
    this.config = fileRegisters({ fd: handles.config, start: 0, size: CONFIG_BYTES, name });
    const capabilities = listCapabilities(this.config);
    this.vectors = readMsix(this.config, capabilities, (bar) => this.barSize(bar))?.vectors ?? 0;
    enableBusMaster(this.config);
    this.notes = [
      `${this.name} is driven through UIO: poll mode only, without interrupts (no MSI-X), and without an IOMMU: the device can access all memory of this machine`,
    ];
    this.#doorbells = new RegisterDoorbells((bar) => this.bar(bar));
    this.#liveness = new Liveness(this.config, (reason) => this.#gone(reason));
  }

  bar(index: number): Registers {
    const mapping = this.#registerMap(index);
    const region = { size: this.barSize(index), name: `BAR ${index} of ${this.name}` };
    return registersOver(
      (offset, width) => {
        checkAccess(region, offset, width);
        return native.mmioRead(mapping, offset, width);
      },
      (offset, width, value) => {
        checkAccess(region, offset, width);
        native.mmioWrite(mapping, offset, width, value);
      },
    );
  }

  barSize(index: number): number {
    return this.#resource(index)?.size ?? 0;
  }

  mapBar(index: number, part?: BarPart): MappedArea[] {
    const whole = { offset: 0, size: this.barSize(index), writable: true };
    const { offset, size, writable } = part ?? whole;
    if (size === 0 || offset + size > whole.size) return [];
    return [{ mapping: this.#mapResource(index, part ?? whole), barOffset: offset, size, writable }];
  }

  onInterrupt(vector: number, handler: () => void): void {
    checkVector(this, vector);
    this.#handlers.set(vector, handler);
  }

  interruptFd(vector: number): number {
    checkVector(this, vector);
    return -1;
  }

  enableInterrupts(): void {
    this.#timer ??= setInterval(() => {
      for (const handler of this.#handlers.values()) handler();
    }, POLL_MS);
  }

  doorbell(bar: number, offset: number, value: number, width?: 2 | 4): number {
    return this.#doorbells.fd(bar, offset, value, width);
  }

  allocateDma(bytes: number): DmaMemory {
    const memory = allocatePhysicalMemory(bytes, this.name);
    this.#dma.push(memory);
    return memory;
  }

  /** UIO cannot reset the function; a virtio device is reset through its status register. */
  reset(): void {}

  onRemoved(handler: (reason: string) => void): void {
    this.#onRemoved = handler;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onRemoved = () => {};
    this.#stop();
    this.#doorbells.close();
    for (const mapping of this.#registerMaps.values()) native.unmap(mapping);
    // Disable the device's access to memory before unmapping the memory.
    closeSync(this.#handles.uio);
    closeSync(this.#handles.config);
    for (const { mapping } of this.#dma) native.unmap(mapping);
  }

  #resource(index: number): PciResource | undefined {
    const resource = this.#sysfs.resources[index];
    return resource && (resource.flags & IORESOURCE_MEM) !== 0 ? resource : undefined;
  }

  #registerMap(index: number): MappingHandle {
    if (this.barSize(index) === 0)
      throw new PmdError('VPCI_NO_BAR', `The device ${this.name} has no BAR ${index}`);
    const mapping =
      this.#registerMaps.get(index) ??
      this.#mapResource(index, { offset: 0, size: this.barSize(index), writable: true });
    this.#registerMaps.set(index, mapping);
    return mapping;
  }

  #mapResource(index: number, { offset, size, writable }: BarPart): MappingHandle {
    try {
      const fd = openSync(join(this.#sysfs.path, `resource${index}`), writable ? 'r+' : 'r');
      try {
        return native.mapFd(fd, offset, size, writable);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw failedTo(`map BAR ${index} of ${this.name}`, error);
    }
  }

  #gone(reason: string): void {
    this.#stop();
    const report = this.#onRemoved;
    this.#onRemoved = () => {};
    report(reason);
  }

  #stop(): void {
    this.#liveness.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

/**
 * Throws EINVAL if an IOMMU translates addresses for the function: UIO maps nothing there, so its DMA would
 * fail.
 */
function requireNoTranslation(device: SysfsPciDevice): void {
  // Documentation/ABI/testing/sysfs-kernel-iommu_groups: "identity" means that addresses pass untranslated.
  const type = readText(join(device.path, 'iommu_group/type'));
  if (type === '' || type === 'identity') return;
  throw new PmdError(
    'EINVAL',
    `Failed to open ${device.address}: its IOMMU translates addresses (type ${type}), which UIO cannot configure; bind it to vfio-pci, or start the machine with iommu=pt`,
  );
}

/**
 * Opens a function that is bound to uio_pci_generic. Throws ENOENT (it has no UIO device), EINVAL (an IOMMU
 * translates its addresses), EACCES (permission), VPCI_BAD_CAPABILITY. `devFolder` is "/dev".
 */
export function openUio(device: SysfsPciDevice, devFolder = '/dev'): PciDevice {
  requireNoTranslation(device);
  const uio = openFile(join(devFolder, uioName(device)), device.address);
  let config = -1;
  try {
    config = openFile(join(device.path, 'config'), device.address);
    return new UioPciDevice(device, { uio, config });
  } catch (error) {
    closeSync(uio);
    if (config >= 0) closeSync(config);
    throw error;
  }
}

function uioName(device: SysfsPciDevice): string {
  try {
    const [name] = readdirSync(join(device.path, 'uio'));
    if (name !== undefined) return name;
  } catch {
    // Treated as an empty folder.
  }
  throw new PmdError(
    'ENOENT',
    `Failed to open ${device.address}: uio_pci_generic has not created a UIO device for it`,
  );
}

function openFile(path: string, address: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    const code = codeOf(error, 'EIO');
    if (code !== 'EACCES' && code !== 'EPERM') throw failedTo(`open ${address}`, error);
    throw new PmdError(code, `Failed to open ${address}: no permission for ${path}; UIO needs root`);
  }
}
