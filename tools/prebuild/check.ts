// SPDX-License-Identifier: BSD-3-Clause
// Whether a prebuilt addon loads on every machine that it is for, as far as its ELF file tells.
import { OLDEST_GLIBC, type Target } from './targets.ts';

const MACHINES = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' } as const;

const LIBRARIES = {
  glibc: /^(lib(c|m|pthread|dl|rt)\.so\.\d|ld-linux-(x86-64|aarch64)\.so\.\d)$/,
  musl: /^libc\.so$/,
} as const;

/** New in musl 1.2.5; Alpine 3.19 and Debian 12 have older ones. */
const NEW_IN_MUSL = /^(statx|preadv2|pwritev2)$/;

/** What Node itself exports. */
const OF_NODE = /^(napi|node_api|uv)_/;

/** 2.28 as 2028, so that 2.4 is less. */
const rank = (version: string): number => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return 1000 * major + minor;
};

interface DynamicSymbol {
  readonly name: string;
  readonly version: string | undefined;
  readonly defined: boolean;
  readonly weak: boolean;
}

/** A row of --dyn-syms: number, value, size, type, binding, visibility, section, name@version. */
const SYMBOL = /^\s*\d+: [0-9a-f]+\s+\S+ \w+\s+(GLOBAL|WEAK|UNIQUE)\s+\w+\s+(\w+) ([^\s@]+)(?:@+(\S+))?/gm;

const symbolsOf = (text: string): DynamicSymbol[] =>
  [...text.matchAll(SYMBOL)].map(([, binding, section, name = '', version]) => ({
    name,
    version,
    defined: section !== 'UND',
    weak: binding === 'WEAK',
  }));

/** Faults of an addon for `target`, one line each, from what `readelf -W -h -d --dyn-syms` prints of it. */
export function faultsOf({ arch, libc }: Target, readelf: string): string[] {
  const machine = /Machine:\s+(.*)/.exec(readelf)?.[1]?.trim();
  const needed = [...readelf.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, library = '']) => library);
  const symbols = symbolsOf(readelf);
  const undefined_ = symbols.filter(({ defined }) => !defined);
  const glibc = (version: string | undefined) => /^GLIBC_(\d+\.\d+)/.exec(version ?? '')?.[1];
  const newer = undefined_.filter(({ version }) => rank(glibc(version) ?? '0') > rank(OLDEST_GLIBC));
  const unknown = undefined_.filter(
    ({ name, version, weak }) => libc === 'glibc' && !version && !weak && !OF_NODE.test(name),
  );
  const young = undefined_.filter(({ name }) => libc === 'musl' && NEW_IN_MUSL.test(name));
  const exported = symbols.filter(({ name, defined }) => defined && !OF_NODE.test(name));
  return [
    ...(machine === MACHINES[arch] ? [] : [`is for ${machine}`]),
    ...needed.filter((library) => !LIBRARIES[libc].test(library)).map((library) => `needs ${library}`),
    ...(/\(FLAGS\).*STATIC_TLS/.test(readelf)
      ? ['has static TLS, which a library loaded at run time may not get']
      : []),
    ...(undefined_.some(({ name }) => name.startsWith('napi_')) ? [] : ['uses nothing of Node']),
    ...newer.map(({ name, version }) => `needs ${name} of ${version}`),
    ...unknown.map(({ name }) => `needs ${name}, which no library promises`),
    ...young.map(({ name }) => `needs ${name}, which musl has from 1.2.5 on`),
    ...exported.map(({ name }) => `exports ${name}`),
  ];
}
