// SPDX-License-Identifier: BSD-3-Clause
// The only module that uses a foreign function interface: ioctl(2) through ffi-napi, and C structures by
// ref-struct-di. A call takes microseconds, so it is for the control path; only the kernel VFIO bus loads the
// libraries.
import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';
import { failedTo } from '../errors.ts';

/**
 * ioctl(2): the argument is a structure that the call may change, or a number. Returns the call's result, 0
 * or more; throws an Error with `.code` (an errno name) and `.syscall`.
 */
export type Ioctl = (fd: number, request: number, argument: Buffer | number) => number;

/** C types used in kernel structures. */
export type CType = 'uint8' | 'uint16' | 'uint32' | 'int32' | 'uint64';

/** A structure as the compiler lays it out: fields in order, each naturally aligned. */
export interface CStruct<Name extends string = string> {
  /** Bytes, padding included. */
  readonly size: number;
  offsetOf(field: Name): number;
  /** Omitted fields are 0. */
  encode(values: Partial<Record<Name, number | bigint>>): Buffer;
}

interface RefStruct {
  new (): Record<string, number | string> & { ref(): Buffer };
  readonly size: number;
  readonly fields: Readonly<Record<string, { readonly offset: number }>>;
}

interface Foreign {
  readonly errno: () => number;
  readonly byPointer: (fd: number, request: number, argument: Buffer) => number;
  readonly byValue: (fd: number, request: number, argument: number) => number;
  readonly struct: (fields: Readonly<Record<string, CType>>) => RefStruct;
}

let loaded: Foreign | null = null;

function foreign(): Foreign {
  loaded ??= load();
  return loaded;
}

function load(): Foreign {
  const require = createRequire(import.meta.url);
  try {
    const ffi = require('ffi-napi');
    const struct = require('ref-struct-di')(require('ref-napi'));
    const library = (argument: string) =>
      ffi.Library(null, { ioctl: ['int', ['int', 'ulong', argument]] }).ioctl;
    return { errno: () => ffi.errno(), byPointer: library('pointer'), byValue: library('ulong'), struct };
  } catch (error) {
    throw failedTo("load ffi-napi, which kernel VFIO needs (run 'npm rebuild ffi-napi ref-napi')", error);
  }
}

export const ioctl: Ioctl = (fd, request, argument) => {
  const { byPointer, byValue, errno } = foreign();
  const result =
    typeof argument === 'number' ? byValue(fd, request, argument) : byPointer(fd, request, argument);
  if (result < 0) throw errnoError(errno());
  return result;
};

/** A structure with these fields in this order; built on first use. */
export function cStruct<Name extends string>(fields: Readonly<Record<Name, CType>>): CStruct<Name> {
  let built: RefStruct | null = null;
  const type = () => {
    built ??= foreign().struct(fields);
    return built;
  };
  return {
    get size() {
      return type().size;
    },
    offsetOf: (field) => type().fields[field]?.offset as number,
    encode: (values) => {
      const instance = new (type())();
      const memory = instance.ref().fill(0);
      for (const [name, value] of Object.entries(values as Record<string, number | bigint>)) {
        // 64-bit values beyond 2^53 are passed as text.
        instance[name] = typeof value === 'bigint' ? String(value) : value;
      }
      return memory;
    },
  };
}

function errnoError(errno: number): Error {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${code}, ioctl`), { code, errno: -errno, syscall: 'ioctl' });
}
