// SPDX-License-Identifier: BSD-3-Clause
// A vhost-pci function as a carrier: windows are its memory BARs, doorbells the notification registers of its
// data queues, interrupts their vectors. The session reports link changes and the removal of the function.
import { VHOST_PCI_VECTOR_QUEUES } from '../abi/vhost-pci.ts';
import type { MappedArea, PciDevice } from '../bus/pci-device.ts';
import type { Carrier, EngineRole, SharedArea } from '../engines/carrier.ts';
import type { DriverArea } from '../native.ts';
import type { ModernTransport } from '../virtio/modern-transport.ts';
import { readRegions } from './regions.ts';

/**
 * The data queue of an engine: the notification register of local TX queue 2i+1 signals the peer's RX call,
 * that of local RX queue 2i its TX call; position words are assigned in the same way (docs/device-abi.md,
 * "Queues and vectors").
 */
const localQueue = (role: EngineRole, pair: number): number => 2 * pair + (role === 'tx' ? 1 : 0);

export class VhostPciCarrier implements Carrier {
  readonly #pci: PciDevice;
  readonly #interruptFds: readonly number[];
  #doorbells: readonly number[] = [];
  #areas: readonly DriverArea[] = [];
  #linkHandler: (up: boolean) => void = () => {};
  #removedHandler: () => void = () => {};

  /** Call before `pci.enableInterrupts()`. A device without the vectors has no RX interrupts. */
  constructor(pci: PciDevice, queuePairs: number) {
    this.#pci = pci;
    this.#interruptFds = Array.from({ length: queuePairs }, (_, pair) => {
      // The vector of local RX queue 2i delivers the kicks of the ring on which the peer sends.
      const vector = VHOST_PCI_VECTOR_QUEUES + localQueue('rx', pair);
      return vector < pci.vectors ? pci.interruptFd(vector) : -1;
    });
  }

  get name(): string {
    return this.#pci.name;
  }

  mapWindow(window: number): SharedArea[] {
    return this.#mapBar(window).map(({ barOffset, ...area }) => ({ ...area, offset: barOffset }));
  }

  /**
   * Where the function has region capabilities, they say which memory there is. They are read each time, as a
   * peer may have come back with other memory.
   */
  #mapBar(bar: number): MappedArea[] {
    const regions = readRegions(this.#pci.config).filter(({ kind }) => kind === 'peer memory');
    if (regions.length === 0) return this.#pci.mapBar(bar);
    const region = regions.find((each) => each.bar === bar);
    if (!region || region.size === 0) return [];
    const { address: offset, size, writable } = region;
    return this.#pci.mapBar(bar, { offset, size, writable });
  }

  windowName(window: number): string {
    return `BAR ${window}`;
  }

  doorbell(role: EngineRole, pair: number): number {
    return this.#doorbells[localQueue(role, pair)] ?? -1;
  }

  interruptFd(pair: number): number {
    return this.#interruptFds[pair] ?? -1;
  }

  driverArea(role: EngineRole, pair: number): DriverArea | null {
    return this.#areas[localQueue(role, pair)] ?? null;
  }

  onLink(handler: (up: boolean) => void): void {
    this.#linkHandler = handler;
  }

  onRemoved(handler: () => void): void {
    this.#removedHandler = handler;
  }

  /**
   * Takes over the data queues after their set-up: `areas` in queue order, and the doorbell descriptors of
   * their registers.
   */
  takeQueues(transport: ModernTransport, areas: readonly DriverArea[]): void {
    this.#areas = areas;
    this.#doorbells = areas.map((_, queue) => {
      const { bar, offset } = transport.notifyRegister(queue);
      return this.#pci.doorbell(bar, offset, queue);
    });
  }

  linkChanged(up: boolean): void {
    this.#linkHandler(up);
  }

  removed(): void {
    this.#removedHandler();
  }
}
