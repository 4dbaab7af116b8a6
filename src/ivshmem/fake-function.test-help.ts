// SPDX-License-Identifier: BSD-3-Clause
// An ivshmem function of either version without a bus: its registers record writes, its memory is a file.
import { memoryRegisters } from '../../test/support/config-space.ts';
import { IVSHMEM2_CAP, IVSHMEM2_CAP_BASE_ADDRESS } from '../abi/ivshmem.ts';
import { encode, writeField } from '../abi/layout.ts';
import { PCI_CAP_ID_VNDR, PCI_CONFIG, PCI_STATUS_CAP_LIST } from '../abi/pci.ts';
import type { BarPart, DmaMemory, MappedArea, PciDevice } from '../bus/pci-device.ts';
import { native } from '../native.ts';
import { type Registers, registersOver } from '../pci/registers.ts';

export interface FakeFunctionOptions {
  readonly name?: string;
  readonly vectors?: number;
  readonly interrupts?: PciDevice['interrupts'];
  /** Memory of BAR 2; null for none. */
  readonly memory: { readonly fd: number; readonly size: number } | null;
}

export class FakeFunction implements PciDevice {
  readonly name: string;
  readonly busName = 'fake';
  readonly canRemap = false;
  readonly notes: readonly string[] = [];
  readonly configView = new DataView(new ArrayBuffer(256));
  readonly config: Registers;
  readonly vectors: number;
  readonly interrupts: PciDevice['interrupts'];
  /** Values that registers of BAR 0 read as, by offset. */
  readonly values = new Map<number, number>();
  /** Writes to BAR 0, in order: offset, value. */
  readonly writes: [number, number][] = [];
  readonly fds = new Map<string, number>();
  readonly handlers = new Map<number, () => void>();
  armed = 0;
  closed = false;
  gone = false;
  remove: (reason: string) => void = () => {};
  readonly #memory: FakeFunctionOptions['memory'];

  constructor(options: FakeFunctionOptions) {
    this.name = options.name ?? '0000:00:05.0';
    this.vectors = options.vectors ?? 0;
    this.interrupts = options.interrupts ?? 'eventfd';
    this.#memory = options.memory;
    this.config = memoryRegisters(this.configView);
  }

  bar(_index: number): Registers {
    const check = () => {
      if (this.gone) throw new Error('gone');
    };
    return registersOver(
      (offset) => {
        check();
        return this.values.get(offset) ?? 0;
      },
      (offset, _width, value) => {
        check();
        this.writes.push([offset, value]);
      },
    );
  }

  barSize(index: number): number {
    return index === 2 ? (this.#memory?.size ?? 0) : 256;
  }

  mapBar(_index: number, part?: BarPart): MappedArea[] {
    const bar = this.#memory;
    if (bar === null || !part || part.offset + part.size > bar.size) return [];
    const { offset, size, writable } = part;
    return [{ mapping: native.mapFd(bar.fd, offset, size, writable), barOffset: offset, size, writable }];
  }

  onInterrupt(vector: number, handler: () => void): void {
    this.handlers.set(vector, handler);
  }

  interruptFd(vector: number): number {
    return this.#fd(`interrupt ${vector}`);
  }

  enableInterrupts(): void {
    this.armed++;
  }

  doorbell(bar: number, offset: number, value: number, width?: 2 | 4): number {
    return this.#fd(`BAR ${bar}: ${value} to ${offset}, ${width} bytes`);
  }

  allocateDma(_bytes: number): DmaMemory {
    throw new Error('ivshmem has no DMA');
  }

  reset(): void {}

  onRemoved(handler: (reason: string) => void): void {
    this.remove = handler;
  }

  close(): void {
    if (!this.closed) for (const fd of this.fds.values()) native.close(fd);
    this.closed = true;
  }

  #fd(name: string): number {
    const fd = this.fds.get(name) ?? native.eventfd();
    this.fds.set(name, fd);
    return fd;
  }
}

export interface FakeV2Options {
  readonly table?: number;
  readonly readWrite?: bigint;
  readonly section?: bigint;
  readonly protocol?: number;
  /** Of the capability; 0 for no capability. */
  readonly length?: number;
  readonly base?: bigint;
}

/** Makes the configuration space that of ivshmem v2, with a vendor capability at 40h. */
export function becomeV2(fake: FakeFunction, options: FakeV2Options = {}): void {
  const { table = 4096, readWrite = 0n, section = 0x7f000n, protocol = 1, length = 24, base = 0n } = options;
  const { configView } = fake;
  const { fields } = PCI_CONFIG;
  writeField(configView, fields.vendor_id, 0x110a);
  writeField(configView, fields.device_id, 0x4106);
  writeField(configView, fields.base_class, 0xff);
  writeField(configView, fields.subclass, protocol >> 8);
  writeField(configView, fields.prog_if, protocol & 0xff);
  if (length === 0) return;
  writeField(configView, fields.status, PCI_STATUS_CAP_LIST);
  writeField(configView, fields.capabilities_pointer, 0x40);
  const cap = { id: PCI_CAP_ID_VNDR, length, private_control: 1, state_table_size: table };
  encode(
    IVSHMEM2_CAP,
    { ...cap, rw_section_size: readWrite, output_section_size: section },
    configView,
    0x40,
  );
  configView.setBigUint64(0x40 + IVSHMEM2_CAP_BASE_ADDRESS, base, true);
}
