// SPDX-License-Identifier: BSD-3-Clause
// Registers of a PCI function, independent of the bus, and their access by the layouts of src/abi.
import type { FieldType } from '../abi/layout.ts';

/** Register access to a region (BAR or configuration space); offsets and widths in bytes. */
export interface Registers {
  read8(offset: number): number;
  read16(offset: number): number;
  read32(offset: number): number;
  write8(offset: number, value: number): void;
  write16(offset: number, value: number): void;
  write32(offset: number, value: number): void;
  /** As two 32-bit writes, low half first (VIRTIO 1.2, 4.1.3.1). */
  write64(offset: number, value: bigint): void;
}

interface RegisterField {
  readonly offset: number;
  readonly type: Exclude<FieldType, 'u64' | 's32'>;
}

/** Reads a field of a structure at `base`, in one access of the field's width (VIRTIO 1.2, 4.1.3.1). */
export function readRegister(registers: Registers, field: RegisterField, base = 0): number {
  const offset = base + field.offset;
  switch (field.type) {
    case 'u8':
      return registers.read8(offset);
    case 'u16':
      return registers.read16(offset);
    case 'u32':
      return registers.read32(offset);
  }
}

/** Writes a field of a structure at `base`, in one access of the field's width. */
export function writeRegister(registers: Registers, field: RegisterField, value: number, base = 0): void {
  const offset = base + field.offset;
  switch (field.type) {
    case 'u8':
      registers.write8(offset, value);
      break;
    case 'u16':
      registers.write16(offset, value);
      break;
    case 'u32':
      registers.write32(offset, value);
      break;
  }
}

/** Registers over a function that reads and one that writes 1, 2 or 4 bytes. */
export function registersOver(
  read: (offset: number, width: 1 | 2 | 4) => number,
  write: (offset: number, width: 1 | 2 | 4, value: number) => void,
): Registers {
  return {
    read8: (offset) => read(offset, 1),
    read16: (offset) => read(offset, 2),
    read32: (offset) => read(offset, 4),
    write8: (offset, value) => write(offset, 1, value),
    write16: (offset, value) => write(offset, 2, value),
    write32: (offset, value) => write(offset, 4, value),
    write64: (offset, value) => {
      write(offset, 4, Number(value & 0xffff_ffffn));
      write(offset + 4, 4, Number((value >> 32n) & 0xffff_ffffn));
    },
  };
}
