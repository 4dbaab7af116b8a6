// SPDX-License-Identifier: BSD-3-Clause
// ioctl(2) and the C structures that it takes, by ffi-napi and ref-struct-di; by the addon where these
// optional packages are not installed or cannot be loaded, and in worker threads, whose end would crash the
// process once ffi-napi was loaded there. A call takes microseconds, so it is for the control path; only the
// kernel VFIO bus loads the libraries.
import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { native } from '../native.ts';
import { type CStruct, type CType, naturalStruct } from './c-struct.ts';

/**
 * ioctl(2): the argument is a structure that the call may change, or a number. Returns the call's result, 0
 * or more; throws an Error with `.code` (an errno name) and `.syscall`.
 */
export type Ioctl = (fd: number, request: number, argument: Buffer | number) => number;

/** What makes the calls. */
export interface SystemCalls {
  /** For "show device info". */
  readonly name: 'ffi-napi' | 'addon';
  readonly ioctl: Ioctl;
  readonly struct: <Name extends string>(fields: Readonly<Record<Name, CType>>) => CStruct<Name>;
}

interface RefStruct {
  new (): Record<string, number | string> & { ref(): Buffer };
  readonly size: number;
  readonly fields: Readonly<Record<string, { readonly offset: number }>>;
}

let chosen: SystemCalls | null = null;

/** Loads ffi-napi at the first call. */
export function systemCalls(): SystemCalls {
  chosen ??= chooseSystemCalls(createRequire(import.meta.url), isMainThread);
  return chosen;
}

/** ffi-napi on the main thread if `require` can load it and all that it needs, else the addon. */
export function chooseSystemCalls(require: (name: string) => unknown, mainThread: boolean): SystemCalls {
  try {
    if (mainThread) return ffiCalls(require);
  } catch {
    // The packages are optional.
  }
  return { name: 'addon', ioctl: native.ioctl, struct: naturalStruct };
}

// biome-ignore lint/suspicious/noExplicitAny: the packages have no types.
function ffiCalls(require: (name: string) => any): SystemCalls {
  const ffi = require('ffi-napi');
  const refStruct = require('ref-struct-di')(require('ref-napi'));
  const library = (argument: string) =>
    ffi.Library(null, { ioctl: ['int', ['int', 'ulong', argument]] }).ioctl;
  const [byPointer, byValue] = [library('pointer'), library('ulong')];
  return {
    name: 'ffi-napi',
    ioctl: (fd, request, argument) => {
      const result = (typeof argument === 'number' ? byValue : byPointer)(fd, request, argument);
      if (result < 0) throw errnoError(ffi.errno());
      return result;
    },
    struct: (fields) => structOf(refStruct(fields)),
  };
}

function structOf<Name extends string>(type: RefStruct): CStruct<Name> {
  return {
    size: type.size,
    offsetOf: (field) => type.fields[field]?.offset as number,
    encode: (values) => {
      const instance = new type();
      const memory = instance.ref().fill(0);
      for (const [name, value] of Object.entries(values as Record<string, number | bigint>)) {
        // 64-bit values beyond 2^53 are passed as text.
        instance[name] = typeof value === 'bigint' ? String(value) : value;
      }
      return memory;
    },
  };
}

export const ioctl: Ioctl = (fd, request, argument) => systemCalls().ioctl(fd, request, argument);

/** A structure with these fields in this order; built on first use. */
export function cStruct<Name extends string>(fields: Readonly<Record<Name, CType>>): CStruct<Name> {
  let built: CStruct<Name> | null = null;
  const type = () => {
    built ??= systemCalls().struct(fields);
    return built;
  };
  return {
    get size() {
      return type().size;
    },
    offsetOf: (field) => type().offsetOf(field),
    encode: (values) => type().encode(values),
  };
}

function errnoError(errno: number): Error {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${code}, ioctl`), { code, errno: -errno, syscall: 'ioctl' });
}
