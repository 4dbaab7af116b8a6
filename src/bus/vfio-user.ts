// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user bus: a PCI function behind a unix socket, for a driver in a plain process. No kernel, no
// root.
import { statSync } from 'node:fs';
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_NUM_REGIONS,
} from '../abi/vfio-user.ts';
import { failedTo, PmdError } from '../errors.ts';
import { type FdWatcher, native } from '../native.ts';
import { enableBusMaster } from '../pci/config-space.ts';
import { allocateDmaMemory, IovaAllocator } from './dma.ts';
import { checkVector, Interrupt } from './interrupts.ts';
import type { BarPart, DmaMemory, MappedArea, PciDevice, Registers } from './pci-device.ts';
import { RegisterDoorbells } from './register-doorbells.ts';
import { closeAll, INTERRUPTED, VfioUserClient } from './vfio-user-client.ts';
import {
  deviceInfo,
  deviceReset,
  disableMsix,
  dmaMap,
  type IoEventFd,
  msixIrqInfo,
  negotiateVersion,
  regionIoFds,
  setMsixEventfd,
} from './vfio-user-commands.ts';
import { mapRegion, regionInfo, regionRegisters } from './vfio-user-region.ts';

const BARS = 6;

export class VfioUserPciDevice implements PciDevice {
  readonly name: string;
  readonly busName = 'vfio-user';
  readonly canRemap = true;
  readonly interrupts = 'eventfd';
  readonly notes: readonly string[] = [];
  readonly config: Registers;
  readonly vectors: number;
  readonly #client: VfioUserClient;
  readonly #barSizes: number[];
  readonly #iovas = new IovaAllocator();
  readonly #dma: DmaMemory[] = [];
  readonly #interrupts = new Map<number, Interrupt>();
  readonly #doorbells = new Map<number, { entries: readonly IoEventFd[]; fds: readonly number[] }>();
  readonly #registerDoorbells = new RegisterDoorbells((bar) => this.bar(bar));
  readonly #watcher: FdWatcher;
  #onRemoved: (reason: string) => void = () => {};
  #closed = false;

  /** `client` has negotiated the version. Takes ownership of it, even if the constructor throws. */
  constructor(client: VfioUserClient, path: string) {
    this.name = path;
    this.#client = client;
    const info = deviceInfo(client);
    if ((info.flags & VFIO_DEVICE_FLAGS_PCI) === 0 || info.num_regions < VFIO_PCI_CONFIG_REGION_INDEX + 1) {
      throw new PmdError('VPCI_WRONG_DEVICE', `The vfio-user device at ${path} is not a PCI device`);
    }
    const sizes = Array.from({ length: VFIO_PCI_CONFIG_REGION_INDEX + 1 }, (_, index) =>
      this.#regionSize(index),
    );
    this.config = regionRegisters(
      client,
      VFIO_PCI_CONFIG_REGION_INDEX,
      sizes[VFIO_PCI_CONFIG_REGION_INDEX] ?? 0,
    );
    this.#barSizes = sizes.slice(0, BARS);
    this.vectors = msixIrqInfo(client).count;
    enableBusMaster(this.config);
    this.#watcher = native.watchFd(client.fd, () => client.poll());
    client.onRemoved((reason) => {
      this.#watcher.close();
      this.#onRemoved(reason);
    });
  }

  bar(index: number): Registers {
    const size = this.barSize(index);
    if (size === 0) throw new PmdError('VPCI_NO_BAR', `The device ${this.name} has no BAR ${index}`);
    return regionRegisters(this.#client, index, size);
  }

  barSize(index: number): number {
    return this.#barSizes[index] ?? 0;
  }

  mapBar(index: number, part?: BarPart): MappedArea[] {
    if (index < 0 || index >= Math.min(BARS, VFIO_PCI_NUM_REGIONS)) return [];
    const { size, areas } = mapRegion(this.#client, index, part);
    this.#barSizes[index] = size;
    return areas;
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
    for (const [vector, interrupt] of this.#interrupts) {
      // One message per vector: vectors need not be contiguous, and servers limit the descriptors of a
      // message.
      setMsixEventfd(this.#client, vector, interrupt.arm());
    }
  }

  doorbell(bar: number, offset: number, value: number, width: 2 | 4 = 2): number {
    if (!this.#doorbells.has(bar)) this.#doorbells.set(bar, this.#ioFds(bar));
    // The ioeventfd's datamatch is unused: each queue has its own register (docs/device-abi.md).
    const found = this.#doorbells.get(bar)?.entries.find((entry) => entry.offset === BigInt(offset))?.fd;
    if (found !== undefined) return found;
    // The number of descriptors per message is limited, and a server may send none.
    return offset + width <= this.barSize(bar) ? this.#registerDoorbells.fd(bar, offset, value, width) : -1;
  }

  allocateDma(bytes: number): DmaMemory {
    const memory = allocateDmaMemory(bytes, this.#iovas, ({ fd, iova, size }) =>
      dmaMap(this.#client, fd, iova, size),
    );
    this.#dma.push(memory);
    return memory;
  }

  reset(): void {
    deviceReset(this.#client);
  }

  onRemoved(handler: (reason: string) => void): void {
    this.#onRemoved = handler;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onRemoved = () => {};
    this.#watcher.close();
    this.#registerDoorbells.close();
    for (const interrupt of this.#interrupts.values()) interrupt.silence();
    try {
      if (this.#client.removed === null && this.#interrupts.size > 0) disableMsix(this.#client);
    } catch {
      // The server releases all of our resources when the connection ends.
    }
    this.#client.close();
    for (const interrupt of this.#interrupts.values()) interrupt.close();
    for (const { fds } of this.#doorbells.values()) closeAll(fds);
    for (const { mapping } of this.#dma) native.unmap(mapping);
  }

  #regionSize(index: number): number {
    const { info, fds } = regionInfo(this.#client, index);
    closeAll(fds);
    return Number(info.size);
  }

  #ioFds(bar: number): { entries: readonly IoEventFd[]; fds: readonly number[] } {
    try {
      return regionIoFds(this.#client, bar);
    } catch (error) {
      // They are optional for a server: without them the driver writes the registers.
      if (this.#client.removed !== null) throw error;
      return { entries: [], fds: [] };
    }
  }
}

/**
 * Connects to a vfio-user server. Throws EINTR (SIGINT or SIGTERM arrived while it was silent), ENOENT (no
 * socket), ECONNREFUSED (no listener), EBUSY (another driver has it), VPCI_NOT_VFIO_USER (another protocol),
 * VPCI_WRONG_DEVICE (not a PCI device).
 */
export function openVfioUser(path: string, timeoutMs?: number): PciDevice {
  const client = new VfioUserClient(connect(path), path, timeoutMs);
  try {
    handshake(client, path);
    return new VfioUserPciDevice(client, path);
  } catch (error) {
    client.close();
    throw error;
  }
}

function connect(path: string): number {
  try {
    return native.unixConnect(path);
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
        throw new PmdError('ENOENT', `Failed to open ${path}: no such socket; is vhost-pci-device running?`);
      case 'ECONNREFUSED':
        throw refused(path);
      case 'EAGAIN':
        // The listen backlog is full: the server serves one driver at a time and does not accept another.
        throw busy(path);
      default:
        throw failedTo(`open ${path}`, error);
    }
  }
}

function refused(path: string): PmdError {
  if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) {
    return new PmdError('ENOTSOCK', `Failed to open ${path}: it is not a socket`);
  }
  return new PmdError(
    'ECONNREFUSED',
    `Failed to open ${path}: connection refused; is vhost-pci-device running?`,
  );
}

function busy(path: string): PmdError {
  return new PmdError('EBUSY', `Failed to open ${path}: it is in use by another driver`);
}

/** Negotiates the version; error messages are for a user who named the wrong socket. */
export function handshake(client: VfioUserClient, path: string): void {
  try {
    negotiateVersion(client);
  } catch (error) {
    const { code, message } = error as PmdError;
    if (code === 'EBUSY') throw busy(path);
    if (client.interrupted) throw new PmdError('EINTR', `Failed to open ${path}: ${INTERRUPTED}`);
    const reason = client.removed ?? message;
    throw new PmdError(
      'VPCI_NOT_VFIO_USER',
      `Failed to open ${path}: no vfio-user server answers there (${reason})`,
    );
  }
}
