// SPDX-License-Identifier: BSD-3-Clause
// The function of RFC 2.1 as a carrier (docs/device-abi.md, "RFC 2.1"): two sides in its BARs, a doorbell
// register for each vector of the peer. The peer's side is mapped for reading, also where the device would
// allow more: a stray store is then a fault in this process, and nothing worse.
import { SECTION_HEADER_BYTES, SECTION_VECTOR_QUEUES, SECTION_VECTOR_STATE } from '../abi/section.ts';
import {
  VHOST_PCI_SYMMETRIC_REGISTERS,
  VHOST_PCI_SYMMETRIC_REVISION,
  VHOST_PCI_SYMMETRIC_VERSION,
  vhostPciSymmetricDoorbell,
} from '../abi/vhost-pci.ts';
import type { PciDevice } from '../bus/pci-device.ts';
import { PmdError } from '../errors.ts';
import { type MappingHandle, native } from '../native.ts';
import { readIdentity } from '../pci/config-space.ts';
import { readRegister } from '../pci/registers.ts';
import type { SectionCarrier, SideMemory } from '../sections/carrier.ts';
import { requireVhostPci } from './function.ts';
import { type FunctionRegion, type RegionKind, readRegions } from './regions.ts';

const REGISTER_BAR = 0;
const { fields } = VHOST_PCI_SYMMETRIC_REGISTERS;

/** Whether a function is that of RFC 2.1. */
export function isSymmetric(pci: PciDevice): boolean {
  const { revision } = readIdentity(pci.config);
  return (
    revision === VHOST_PCI_SYMMETRIC_REVISION &&
    readRegions(pci.config).some(({ kind }) => kind === 'own side')
  );
}

export class SymmetricCarrier implements SectionCarrier {
  readonly name: string;
  readonly own: SideMemory;
  readonly peer: SideMemory;
  readonly states = 'header';
  /** The device knows the peer. */
  readonly doorbellId = null;
  readonly vectors: number;
  /** Pairs for which there are vectors. */
  readonly queuePairs: number;
  readonly #pci: PciDevice;
  readonly #mapped: MappingHandle[] = [];
  readonly #interruptFds = new Map<number, number>();
  readonly #doorbells: number;
  #closed = false;

  /**
   * Takes ownership of `pci`, and closes it on error: throws VPCI_WRONG_DEVICE, VPCI_BAD_CONFIG (registers
   * that make no sense), VPCI_BAD_CAPABILITY, VPCI_BAD_MEMORY (a side that cannot be mapped).
   */
  constructor(pci: PciDevice) {
    this.#pci = pci;
    this.name = pci.name;
    try {
      requireVhostPci(pci);
      this.#doorbells = readVectors(pci);
      this.queuePairs = this.#doorbells - SECTION_VECTOR_QUEUES;
      this.vectors = pci.interrupts === 'eventfd' ? Math.min(this.#doorbells, pci.vectors) : 0;
      const regions = readRegions(pci.config);
      this.own = this.#map(regions, 'own side', true);
      this.peer = this.#map(regions, "peer's side", false);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The device says who the peer is, and both have as many vectors. */
  setPeer(): void {}

  doorbell(vector: number): number {
    if (vector >= this.#doorbells) return -1;
    return this.#pci.doorbell(REGISTER_BAR, vhostPciSymmetricDoorbell(vector), 1, 4);
  }

  interruptFd(vector: number): number {
    if (vector >= this.vectors) return -1;
    const fd = this.#interruptFds.get(vector) ?? this.#pci.interruptFd(vector);
    this.#interruptFds.set(vector, fd);
    return fd;
  }

  onState(handler: () => void): void {
    if (this.vectors > 0) this.#pci.onInterrupt(SECTION_VECTOR_STATE, handler);
  }

  enableInterrupts(): void {
    if (this.vectors > 0) this.#pci.enableInterrupts();
  }

  onRemoved(handler: (reason: string) => void): void {
    this.#pci.onRemoved(handler);
  }

  details(): [string, string | number][] {
    const { busName, systemCalls } = this.#pci;
    return [
      ['Carrier', 'vhost-pci 2.1'],
      ['Bus', systemCalls === undefined ? busName : `${busName} (system calls by ${systemCalls})`],
      ['Device', this.name],
      ['Vectors', this.#doorbells],
    ];
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const mapping of this.#mapped.splice(0)) native.unmap(mapping);
    this.#pci.close();
  }

  #map(regions: readonly FunctionRegion[], kind: RegionKind, writable: boolean): SideMemory {
    const region = regions.find((each) => each.kind === kind);
    const { bar, address: offset, size } = this.#checked(region, kind, writable);
    const areas = this.#pci.mapBar(bar, { offset, size, writable });
    this.#mapped.push(...areas.map(({ mapping }) => mapping));
    const [area] = areas;
    const whole = area?.barOffset === offset && area.size === size && (area.writable || !writable);
    if (!area || !whole || area.mayHang)
      throw this.#cannot(kind, `${size} bytes at ${offset} of BAR ${bar} cannot be mapped`);
    return { mapping: area.mapping, offset: 0, size, writable };
  }

  #checked(region: FunctionRegion | undefined, kind: RegionKind, writable: boolean) {
    if (!region) throw this.#cannot(kind, 'the function has none');
    const { bar, address, size } = region;
    if (bar === null) throw this.#cannot(kind, 'it lies outside of the BARs');
    if (address + size > this.#pci.barSize(bar))
      throw this.#cannot(kind, `${size} bytes at ${address} lie outside BAR ${bar}`);
    if (size <= SECTION_HEADER_BYTES) throw this.#cannot(kind, `it has ${size} bytes only`);
    if (writable && !region.writable) throw this.#cannot(kind, 'it can only be read');
    return { ...region, bar };
  }

  #cannot(kind: RegionKind, cause: string): PmdError {
    return new PmdError('VPCI_BAD_MEMORY', `Failed to open ${this.name}: ${kind}: ${cause}`);
  }
}

/** The vectors of either function. Throws VPCI_BAD_CONFIG. */
function readVectors(pci: PciDevice): number {
  const registers = pci.bar(REGISTER_BAR);
  const version = readRegister(registers, fields.version);
  if (version !== VHOST_PCI_SYMMETRIC_VERSION)
    throw new PmdError('VPCI_BAD_CONFIG', `The device reports version ${version} of RFC 2.1`);
  const vectors = readRegister(registers, fields.vectors);
  const end = vhostPciSymmetricDoorbell(vectors);
  if (vectors > SECTION_VECTOR_QUEUES && end <= pci.barSize(REGISTER_BAR)) return vectors;
  throw new PmdError('VPCI_BAD_CONFIG', `The device reports ${vectors} vectors`);
}
