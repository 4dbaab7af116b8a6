// SPDX-License-Identifier: BSD-3-Clause
// Sides in memory with an ivshmem-doorbell function, which raises interrupts of the peer and has our own.
//
// The register takes the peer's id with the vector, and the peer may name another id at each start. So each
// vector has one eventfd, and the id is looked up when it is signalled.
import { IVSHMEM_REGISTER_BAR, IVSHMEM_REGISTERS, ivshmemDoorbell } from '../abi/ivshmem.ts';
import { SECTION_VECTOR_STATE } from '../abi/section.ts';
import type { PciDevice } from '../bus/pci-device.ts';
import { type FdWatcher, native } from '../native.ts';
import { readRegister, writeRegister } from '../pci/registers.ts';
import type { MemoryPair } from './pair.ts';
import { PlainCarrier } from './plain.ts';

const { fields } = IVSHMEM_REGISTERS;
/** Ids have 16 bits in the doorbell. */
const MOST_IDS = 0x1_0000;

export class DoorbellCarrier extends PlainCarrier {
  override readonly doorbellId: number;
  override readonly vectors: number;
  readonly #pci: PciDevice;
  readonly #interruptFds = new Map<number, number>();
  readonly #doorbells = new Map<number, { fd: number; watcher: FdWatcher }>();
  #peerId = -1;
  #peerVectors = 0;
  #closed = false;

  /** Takes ownership of the pair and of `pci`, which may be one of the pair's functions. */
  constructor(pair: MemoryPair, pci: PciDevice) {
    super(pair);
    this.#pci = pci;
    this.doorbellId = readRegister(pci.bar(IVSHMEM_REGISTER_BAR), fields.iv_position);
    this.vectors = pci.interrupts === 'eventfd' ? pci.vectors : 0;
  }

  override setPeer(doorbellId: number, vectors: number): void {
    const known = doorbellId >= 0 && doorbellId < MOST_IDS;
    this.#peerId = known ? doorbellId : -1;
    this.#peerVectors = known ? vectors : 0;
  }

  override doorbell(vector: number): number {
    if (vector >= this.#peerVectors) return -1;
    const known = this.#doorbells.get(vector);
    if (known) return known.fd;
    const fd = native.eventfd();
    const watcher = native.watchFd(fd, () => {
      native.eventfdDrain(fd);
      this.#ring(vector);
    });
    this.#doorbells.set(vector, { fd, watcher });
    return fd;
  }

  override interruptFd(vector: number): number {
    if (vector >= this.vectors) return -1;
    const fd = this.#interruptFds.get(vector) ?? this.#pci.interruptFd(vector);
    this.#interruptFds.set(vector, fd);
    return fd;
  }

  override onState(handler: () => void): void {
    if (this.vectors > 0) this.#pci.onInterrupt(SECTION_VECTOR_STATE, handler);
  }

  override enableInterrupts(): void {
    if (this.vectors > 0) this.#pci.enableInterrupts();
  }

  override onRemoved(handler: (reason: string) => void): void {
    super.onRemoved(handler);
    this.#pci.onRemoved(handler);
  }

  override details(): [string, string | number][] {
    const peer = this.#peerId < 0 ? 'none' : `${this.#peerId}, ${this.#peerVectors} vectors`;
    return [
      ...super.details(),
      ['Doorbell', `${this.#pci.name}, id ${this.doorbellId}, ${this.vectors} vectors`],
      ['Doorbell of the peer', peer],
    ];
  }

  override close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // The last state is on its way to the peer still.
    for (const [vector, { fd, watcher }] of this.#doorbells) {
      watcher.close();
      if (native.eventfdDrain(fd) > 0n) this.#ring(vector);
      native.close(fd);
    }
    this.#pci.close();
    super.close();
  }

  #ring(vector: number): void {
    if (this.#peerId < 0 || vector >= this.#peerVectors) return;
    try {
      const registers = this.#pci.bar(IVSHMEM_REGISTER_BAR);
      writeRegister(registers, fields.doorbell, ivshmemDoorbell(this.#peerId, vector));
    } catch {
      // The bus reports the removal of the device.
    }
  }
}
