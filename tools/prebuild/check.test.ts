// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.ts';
import { faultsOf } from './check.ts';
import { prebuiltFile, TARGETS, zigTarget } from './targets.ts';

/** What readelf prints, as far as it is read. */
const elf = ({ machine = 'Advanced Micro Devices X86-64', needed = ['libc.so.6'], symbols = [''] }) => `
  Machine:                           ${machine}
${needed.map((library) => ` 0x0000000000000001 (NEEDED)             Shared library: [${library}]`).join('\n')}
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND napi_create_object
     2: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND uv_poll_init
     3: 0000000000000000     0 NOTYPE  WEAK   DEFAULT  UND __gmon_start__
     4: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND statx@GLIBC_2.28 (5)
     5: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND memcpy@GLIBC_2.2.5 (6)
     6: 0000000000012340    64 FUNC    GLOBAL DEFAULT   12 napi_register_module_v1@@Base
${symbols.join('\n')}
`;
const GLIBC = { arch: 'x64', libc: 'glibc' } as const;

describe('the check of a prebuilt addon', () => {
  it('accepts what glibc 2.28 and Node have', () => {
    expect(faultsOf(GLIBC, elf({}))).toEqual([]);
  });

  it.each([
    [{ machine: 'AArch64' }, 'is for AArch64'],
    [{ needed: ['libc.so.6', 'libstdc++.so.6'] }, 'needs libstdc++.so.6'],
    [{ needed: ['libc.so'] }, 'needs libc.so'],
    [
      { symbols: [' 0x000000000000001e (FLAGS)              BIND_NOW STATIC_TLS'] },
      'has static TLS, which a library loaded at run time may not get',
    ],
    [
      { symbols: ['     7: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND fstat64@GLIBC_2.33 (9)'] },
      'needs fstat64 of GLIBC_2.33',
    ],
    [
      { symbols: ['     7: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND strerrorname_np'] },
      'needs strerrorname_np, which no library promises',
    ],
    [
      { symbols: ['     7: 000000000002e1a0    97 FUNC    WEAK   DEFAULT   15 __cxa_throw'] },
      'exports __cxa_throw',
    ],
  ])('refuses %o', (change, fault) => {
    expect(faultsOf(GLIBC, elf(change))).toEqual([fault]);
  });

  it('knows the C library of each target', () => {
    const musl = { arch: 'x64', libc: 'musl' } as const;
    const own = elf({ needed: ['libc.so'] }).replaceAll(/.* statx.*\n|@GLIBC_\S+/g, '');
    expect(faultsOf(musl, own)).toEqual([]);
    expect(faultsOf(musl, own.replace('libc.so', 'libc.so.6'))).toEqual(['needs libc.so.6']);
    const young = own.replace('UND memcpy', 'UND preadv2');
    expect(faultsOf(musl, young)).toEqual(['needs preadv2, which musl has from 1.2.5 on']);
    expect(TARGETS.map(zigTarget)).toEqual([
      'x86_64-linux-gnu.2.28',
      'aarch64-linux-gnu.2.28',
      'x86_64-linux-musl',
      'aarch64-linux-musl',
    ]);
  });
});

it('the files of the targets lie where the package looks for them and where git does not', () => {
  const root = packageRoot();
  const ignored = readFileSync(join(root, '.gitignore'), 'utf8').split('\n');
  expect(ignored).toContain('prebuilds/');
  for (const target of TARGETS)
    expect(prebuiltFile(target)).toMatch(/^prebuilds\/linux-(x64|arm64)\/[\w-]+\.(glibc|musl)\.node$/);
});
