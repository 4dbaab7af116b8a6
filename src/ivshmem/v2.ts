// SPDX-License-Identifier: BSD-3-Clause
// ivshmem v2, as Jailhouse and its kin have it: a state table, output sections of which each side writes its
// own, doorbell and interrupts. It is what Linux' ivshmem-net drives, so the order of first steps is its own.
import {
  IVSHMEM_MEMORY_BAR,
  IVSHMEM_REGISTER_BAR,
  IVSHMEM2_CAP,
  IVSHMEM2_CAP_BASE_ADDRESS,
  IVSHMEM2_CAP_WITH_ADDRESS_BYTES,
  IVSHMEM2_CLASS,
  IVSHMEM2_PROTOCOL_NETWORK,
  IVSHMEM2_REGISTERS,
  ivshmemDoorbell,
} from '../abi/ivshmem.ts';
import { PCI_CAP_ID_VNDR } from '../abi/pci.ts';
import { SECTION_STATE_RESET, SECTION_VECTOR_STATE } from '../abi/section.ts';
import { PAGE } from '../alignment.ts';
import type { PciDevice } from '../bus/pci-device.ts';
import { type AlternateMapping, mapAlternate } from '../engines/alternate-mapping.ts';
import { PmdError } from '../errors.ts';
import { type MappingHandle, native } from '../native.ts';
import { listCapabilities, readIdentity } from '../pci/config-space.ts';
import { type Registers, readRegister, writeRegister } from '../pci/registers.ts';
import type { SectionCarrier, SideMemory } from '../sections/carrier.ts';
import { mapBarPart } from './place.ts';

const { fields } = IVSHMEM2_REGISTERS;
/** The protocol of a network is for two. */
const PEERS = 2;

interface MemoryPlan {
  readonly table: number;
  readonly ownOffset: number;
  readonly peerOffset: number;
  readonly section: number;
  /** Guest-physical address of the memory where there is no BAR 2. */
  readonly base: number | null;
}

export class IvshmemV2Carrier implements SectionCarrier {
  readonly name: string;
  readonly own: SideMemory;
  readonly peer: SideMemory;
  readonly states = 'table';
  readonly doorbellId: number;
  readonly vectors: number;
  readonly #pci: PciDevice;
  readonly #registers: Registers;
  readonly #table: MappingHandle;
  readonly #mapped: MappingHandle[] = [];
  readonly #interruptFds = new Map<number, number>();
  readonly #through: string;
  #closed = false;

  /**
   * Takes ownership of `pci`, and closes it on error. `alternate` replaces the memory, for a kernel that does
   * not map it as it should be. Throws VPCI_WRONG_DEVICE, VPCI_BAD_CAPABILITY, VPCI_BAD_MEMORY.
   */
  constructor(pci: PciDevice, alternate: AlternateMapping | null = null) {
    this.#pci = pci;
    this.name = pci.name;
    try {
      this.#registers = pci.bar(IVSHMEM_REGISTER_BAR);
      this.doorbellId = readRegister(this.#registers, fields.id);
      const plan = this.#plan();
      // A process behind a socket must not choose which memory of this machine we map.
      if (alternate === null && plan.base !== null && pci.busName === 'vfio-user')
        throw new PmdError('VPCI_BAD_MEMORY', `Failed to open ${pci.name}: its memory is in no BAR`);
      const memory = alternate ?? (plan.base === null ? null : { path: '/dev/mem', offset: plan.base });
      this.#through = memory === null ? `BAR ${IVSHMEM_MEMORY_BAR}` : `${memory.path}@${memory.offset}`;
      const map = (offset: number, size: number, writable: boolean): MappingHandle => {
        const mapping =
          memory === null
            ? mapBarPart(pci, offset, size, writable)
            : mapAlternate({ ...memory, offset: memory.offset + offset }, size, { writable }).mapping;
        this.#mapped.push(mapping);
        return mapping;
      };
      this.#table = map(0, plan.table, false);
      const side = (offset: number, writable: boolean): SideMemory => ({
        mapping: map(offset, plan.section, writable),
        offset: 0,
        size: plan.section,
        writable,
      });
      this.own = side(plan.ownOffset, true);
      this.peer = side(plan.peerOffset, false);
      this.vectors = pci.interrupts === 'eventfd' ? pci.vectors : 0;
      this.writeState(SECTION_STATE_RESET);
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  get #peerId(): number {
    return 1 - this.doorbellId;
  }

  readState(): number {
    return native.atomicRead(this.#table, 4 * this.#peerId);
  }

  /** The device interrupts the peer if it changes. */
  writeState(state: number): void {
    writeRegister(this.#registers, fields.state, state);
  }

  /** The device says who the peer is, and all peers have the same number of vectors. */
  setPeer(_doorbellId: number, _vectors: number): void {}

  doorbell(vector: number): number {
    if (vector >= this.#pci.vectors) return -1;
    const value = ivshmemDoorbell(this.#peerId, vector);
    return this.#pci.doorbell(IVSHMEM_REGISTER_BAR, fields.doorbell.offset, value, 4);
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
    if (this.vectors === 0) return;
    this.#pci.enableInterrupts();
    writeRegister(this.#registers, fields.interrupt_control, 1);
  }

  onRemoved(handler: (reason: string) => void): void {
    this.#pci.onRemoved(handler);
  }

  details(): [string, string | number][] {
    return [
      ['Carrier', 'ivshmem v2'],
      ['Bus', this.#pci.busName],
      ['Device', this.name],
      ['Memory', this.#through],
      ['Id', this.doorbellId],
    ];
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      writeRegister(this.#registers, fields.interrupt_control, 0);
    } catch {
      // The device is released anyway.
    }
    this.#release();
  }

  #release(): void {
    for (const mapping of this.#mapped.splice(0)) native.unmap(mapping);
    this.#pci.close();
  }

  /** Where everything lies; one-shot interrupts are switched off, since other threads take ours. */
  #plan(): MemoryPlan {
    const { config } = this.#pci;
    const identity = readIdentity(config);
    const protocol = identity.classCode & 0xffff;
    if (identity.classCode >>> 16 !== IVSHMEM2_CLASS || protocol !== IVSHMEM2_PROTOCOL_NETWORK)
      throw this.#wrong(
        'VPCI_WRONG_DEVICE',
        `its protocol is ${protocol}, not ${IVSHMEM2_PROTOCOL_NETWORK}, a network`,
      );
    const peers = readRegister(this.#registers, fields.max_peers);
    if (peers !== PEERS || this.doorbellId >= PEERS)
      throw this.#wrong(
        'VPCI_WRONG_DEVICE',
        `it is peer ${this.doorbellId} of ${peers}, and a network has two`,
      );
    const capability = listCapabilities(config).find(({ id }) => id === PCI_CAP_ID_VNDR)?.offset;
    if (capability === undefined)
      throw this.#wrong('VPCI_BAD_CAPABILITY', 'it has no vendor capability, which says where its memory is');
    writeRegister(config, IVSHMEM2_CAP.fields.private_control, 0, capability);
    return this.#planFrom(config, capability);
  }

  #planFrom(config: Registers, capability: number): MemoryPlan {
    const caps = IVSHMEM2_CAP.fields;
    const wide = (offset: number) =>
      config.read32(capability + offset) + 2 ** 32 * config.read32(capability + offset + 4);
    const table = readRegister(config, caps.state_table_size, capability);
    const readWrite = wide(caps.rw_section_size.offset);
    const section = wide(caps.output_section_size.offset);
    const end = table + readWrite + PEERS * section;
    const pages = [table, readWrite, section].every((bytes) => bytes % PAGE === 0);
    if (!pages || table < 4 * PEERS || section === 0 || !Number.isSafeInteger(end))
      throw this.#wrong('VPCI_BAD_CAPABILITY', `sections of ${table}, ${readWrite} and ${section} bytes`);
    const bar = this.#pci.barSize(IVSHMEM_MEMORY_BAR);
    if (bar > 0 && end > bar)
      throw this.#wrong('VPCI_BAD_CAPABILITY', `${end} bytes of sections in a BAR of ${bar}`);
    const output = (id: number) => table + readWrite + id * section;
    const plan = { table, section, ownOffset: output(this.doorbellId), peerOffset: output(this.#peerId) };
    if (bar > 0) return { ...plan, base: null };
    if (readRegister(config, caps.length, capability) < IVSHMEM2_CAP_WITH_ADDRESS_BYTES)
      throw this.#wrong('VPCI_BAD_CAPABILITY', 'it has neither a BAR with its memory nor an address of it');
    return { ...plan, base: wide(IVSHMEM2_CAP_BASE_ADDRESS) };
  }

  #wrong(code: 'VPCI_WRONG_DEVICE' | 'VPCI_BAD_CAPABILITY', cause: string): PmdError {
    return new PmdError(code, `Failed to open ${this.name}: ${cause}`);
  }
}
