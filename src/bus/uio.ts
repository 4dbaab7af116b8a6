// SPDX-License-Identifier: BSD-3-Clause
// The UIO bus: a PCI function that is bound to uio_pci_generic, for machines without an IOMMU. BARs and configuration space come
// from sysfs. It lacks two things that VFIO has: interrupts (uio_pci_generic knows no MSI-X, so handlers are called by a timer) and an
// IOMMU (memory for the device must be physical, and nothing holds the device back from other memory).
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
import type { DmaMemory, MappedArea, PciDevice, Registers } from './pci-device.ts';
import { allocatePhysicalMemory } from './physical-memory.ts';
import { RegisterDoorbells } from './register-doorbells.ts';

/** PCI 3.0, 6.1; the file `config` gives root the extended space too, which nothing here reads. */
const CONFIG_BYTES = 256;
/** How long a change of the device may go unnoticed: far below the second that it waits for an answer (docs/device-abi.md). */
const POLL_MS = 10;

/** Descriptors of an open function. */
interface UioHandles {
  /** /dev/uioN: when it is closed, by whatever end of this process, the kernel forbids the device to reach memory. */
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

  /** Owns `handles` once it is made; when it throws, the caller closes them. */
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
      `${this.name} is driven through UIO: poll mode only, without interrupts (no MSI-X), and without an IOMMU: the device could reach any memory of this machine`,
    ];
    this.#doorbells = new RegisterDoorbells((bar, offset, value) => this.bar(bar).write16(offset, value));
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

  mapBar(index: number): MappedArea[] {
    const size = this.barSize(index);
    return size === 0 ? [] : [{ mapping: this.#mapResource(index), barOffset: 0, size, writable: true }];
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

  doorbell(bar: number, offset: number, value: number): number {
    return this.#doorbells.fd(bar, offset, value);
  }

  allocateDma(bytes: number): DmaMemory {
    const memory = allocatePhysicalMemory(bytes, this.name);
    this.#dma.push(memory);
    return memory;
  }

  /** UIO has no reset of the function; a virtio device is reset by its status register. */
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
    // First the device may not reach memory any more, then the memory goes.
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
    const mapping = this.#registerMaps.get(index) ?? this.#mapResource(index);
    this.#registerMaps.set(index, mapping);
    return mapping;
  }

  #mapResource(index: number): MappingHandle {
    try {
      const fd = openSync(join(this.#sysfs.path, `resource${index}`), 'r+');
      try {
        return native.mapFd(fd, 0, this.barSize(index), true);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw failedTo(`map BAR ${index} of ${this.name}`, error);
    }
  }

  #gone(reason: string): void {
    this.#stop();
    const tell = this.#onRemoved;
    this.#onRemoved = () => {};
    tell(reason);
  }

  #stop(): void {
    this.#liveness.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** Throws EINVAL when an IOMMU translates for the function: nobody maps memory in it for UIO, so that the device would reach none. */
function requireNoTranslation(device: SysfsPciDevice): void {
  // Documentation/ABI/testing/sysfs-kernel-iommu_groups: "identity" means that addresses pass as they are.
  const type = readText(join(device.path, 'iommu_group/type'));
  if (type === '' || type === 'identity') return;
  throw new PmdError(
    'EINVAL',
    `Failed to open ${device.address}: the IOMMU translates for it (type ${type}), and UIO cannot set that up; bind it to vfio-pci, or start the machine with iommu=pt`,
  );
}

/**
 * Opens a function that is bound to uio_pci_generic. Throws ENOENT (UIO does not show it), EINVAL (an IOMMU is in the way), EACCES (permission), VPCI_BAD_CAPABILITY.
 * `devFolder` is "/dev".
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
    // As if the folder were empty.
  }
  throw new PmdError(
    'ENOENT',
    `Failed to open ${device.address}: uio_pci_generic has made no uio device for it`,
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
