// SPDX-License-Identifier: BSD-3-Clause
// C structures of little-endian integers as the compiler of a 64-bit machine lays them out.
import { alignUp } from '../alignment.ts';

/** C types used in kernel structures. */
export type CType = 'uint8' | 'uint16' | 'uint32' | 'int32' | 'uint64';

/** A structure: fields in order, each naturally aligned. */
export interface CStruct<Name extends string = string> {
  /** Bytes, padding included. */
  readonly size: number;
  offsetOf(field: Name): number;
  /** Omitted fields are 0. */
  encode(values: Partial<Record<Name, number | bigint>>): Buffer;
}

const BYTES: Readonly<Record<CType, number>> = { uint8: 1, uint16: 2, uint32: 4, int32: 4, uint64: 8 };

/** A structure with these fields in this order. */
export function naturalStruct<Name extends string>(fields: Readonly<Record<Name, CType>>): CStruct<Name> {
  const types = Object.entries(fields) as [Name, CType][];
  const offsets = new Map<Name, number>();
  let end = 0;
  for (const [name, type] of types) {
    const offset = alignUp(end, BYTES[type]);
    offsets.set(name, offset);
    end = offset + BYTES[type];
  }
  const size = alignUp(end, Math.max(...types.map(([, type]) => BYTES[type])));
  return {
    size,
    offsetOf: (field) => offsets.get(field) as number,
    encode: (values) => {
      const memory = Buffer.alloc(size);
      for (const [name, value] of Object.entries(values) as [Name, number | bigint][]) {
        const bytes = BYTES[fields[name]];
        const pattern = Buffer.alloc(8);
        pattern.writeBigUInt64LE(BigInt.asUintN(8 * bytes, BigInt(value)));
        pattern.copy(memory, offsets.get(name), 0, bytes);
      }
      return memory;
    },
  };
}
