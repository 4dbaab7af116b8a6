// SPDX-License-Identifier: BSD-3-Clause
// 32-bit registers as a table. Reads have no effects, so any width reads any part; a write counts only at a
// register's own address. What is not in the table reads as 0 and ignores writes.

export interface Register {
  readonly offset: number;
  /** Omitted for a register that can only be written, which reads as 0. */
  read?(): number;
  /** Omitted for a register that can only be read. `value` is extended with zeros to 32 bits. */
  write?(value: number): void;
}

export class RegisterTable {
  readonly bytes: number;
  readonly #registers: ReadonlyMap<number, Register>;
  readonly #writeBytes: readonly number[];

  /** `writeBytes` are the widths of a write that counts. */
  constructor(bytes: number, registers: readonly Register[], writeBytes: readonly number[]) {
    this.bytes = bytes;
    this.#registers = new Map(registers.map((register) => [register.offset, register]));
    this.#writeBytes = writeBytes;
  }

  read(offset: number, count: number): Uint8Array {
    return Uint8Array.from({ length: count }, (_, i) => {
      const at = offset + i;
      const value = this.#registers.get(at & ~3)?.read?.() ?? 0;
      return value >>> (8 * (at & 3));
    });
  }

  write(offset: number, data: Uint8Array): void {
    if (!this.#writeBytes.includes(data.length)) return;
    let value = 0;
    for (const [i, byte] of data.entries()) value += byte * 2 ** (8 * i);
    this.#registers.get(offset)?.write?.(value);
  }
}
