// SPDX-License-Identifier: BSD-3-Clause
// Imports in src/ and in addon/ go downwards only and past what a part must not know, nothing in src/ knows
// of tools/, and no files import each other in a circle.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Top to bottom, with the purpose of each; a folder imports from itself and from those below it. */
const REASONS: Readonly<Record<string, string>> = {
  testpmd: "the CLI in testpmd's dialect",
  pdump: 'copies of packets for capture programs',
  telemetry: "DPDK's telemetry socket, and metrics, of the ports of this process",
  lcore: 'pinned threads that run poll loops',
  drivers: 'what makes a port of a device string, and the ports that are open',
  ivshmem: 'files and ivshmem devices as carriers of sections',
  'vhost-pci': 'the RFC 2.0 session with the device, over a PCI function',
  sections: 'RFC 2.1: two sides of a small shared memory, over any carrier',
  engines: 'rings and memory of a peer, over any carrier',
  virtio: 'the virtio-pci transport and feature sets',
  bus: 'one PCI function, by socket, kernel VFIO or UIO',
  offload: "packet work in software above a port's queues: tags, hash, flow rules",
  ethdev: 'the port API: what an application sees of any port',
  pci: 'configuration space, capabilities, sysfs',
  packet: 'addresses, headers and checksums of packets',
  capture: 'capture files: pcap and pcapng',
  abi: 'layouts of others as data',
  output: 'text that never blocks the event loop',
  'process-end.ts': 'the end of a process whose threads or terminals do not let Node end it',
  'native.ts': "the addon's contract",
  native: 'its parts',
  'addon-file.ts': 'where the addon is on this machine',
  'package-root.ts': 'where this package is, and its version',
  'machine-memory.ts': 'how much memory this machine and process may have',
  'user-file.ts': 'files that a user names, which never block',
  'file-identity.ts': 'whether two names are of one file',
  'alignment.ts': 'pages, and multiples of a size',
  'byte-size.ts': 'sizes as text',
  'socket-path.ts': 'the limit of a socket path',
  'arguments.ts': 'checks of what the public API is given',
  'warnings.ts': 'what a user should know although a call succeeds',
  'errors.ts': 'the one kind of error',
  'entry.ts': 'the start of a program, which says when it cannot be loaded',
};
const LAYERS = Object.keys(REASONS);

/**
 * Dependencies that are forbidden whatever the order above allows: [folder, folders that it never imports].
 */
const NEVERS: readonly [string, readonly string[]][] = [
  ['engines', ['vhost-pci', 'bus', 'drivers', 'ethdev']],
  ['vhost-pci', ['ethdev', 'ivshmem']],
  ['ivshmem', ['ethdev', 'vhost-pci']],
  ['sections', ['ethdev', 'bus', 'vhost-pci', 'ivshmem', 'drivers']],
  ['virtio', ['ethdev']],
  ['bus', ['ethdev']],
  ['ethdev', ['offload', 'drivers', 'vhost-pci', 'engines', 'virtio', 'bus', 'abi']],
];

/** What tools/ may import of src/. The applications on top are programs, not modules. */
const PUBLIC = ['index.ts', ...LAYERS.filter((layer) => layer !== 'testpmd')];

/** What each folder of tools/ may import of the others. */
const TOOLS: Readonly<Record<string, readonly string[]>> = {
  run: ['peer'], // Types of the built-in peer's reports.
  socket: [],
  device: ['run', 'socket'],
  peer: ['run', 'socket'],
  dumpcap: ['run'],
  devbind: ['run'], // One-line errors of the command line.
  charts: [],
  bench: ['run', 'peer', 'pktgen', 'charts'], // Rates as text, the same in both.
  start: ['run'],
  pktgen: ['run', 'charts'],
  vm: ['run'],
  examples: [],
  prebuild: ['run'], // Exit statuses.
  matrix: ['run'],
  package: [],
};

/** Folders of tools/bench, top to bottom; its other files are between suites and instruments. */
const BENCH = ['suites', 'sides', 'instruments'];

interface Import {
  readonly from: string;
  readonly to: string;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));
}

/** Relative imports of a file, dynamic and type imports included, as paths from the root. */
function importsOf(file: string, text: string): Import[] {
  const found = text.matchAll(/(?:^|[\s;}])(?:from|import)\s*\(?\s*'(\.[^']*)'/g);
  return [...found].map(([, target = '']) => ({ from: file, to: join(dirname(file), target) }));
}

/** Tests and their helpers may import anything. */
const isTest = (file: string) => /\.test(-help)?\.ts$/.test(file);

function layer(file: string): number {
  return LAYERS.indexOf(file.split('/')[1] ?? '');
}

const never = ({ from, to }: Import): boolean =>
  NEVERS.some(
    ([folder, others]) =>
      from.startsWith(`src/${folder}/`) && others.some((other) => to.startsWith(`src/${other}/`)),
  );

/** The first cycle found from each file that is on one; "a > b > a". */
function importCircles(edges: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file].join(' > '));
    if (at >= 0 || done.has(file)) return;
    for (const other of next.get(file) ?? []) visit(other, [...path, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}

function upward({ from, to }: Import): boolean {
  if (!to.startsWith('src/')) return true;
  if (from === join('src', 'index.ts')) return false;
  return layer(to) < layer(from);
}

/**
 * Device model and peer are the two ends of one protocol, and neither trusts the other: besides src they
 * share only the framed socket. Their command lines are parsed as those of all programs are.
 */
function sharedByBothEnds({ from, to }: Import): boolean {
  const [, end = ''] = from.split('/');
  const folders = ['src/', 'tools/socket/', `tools/${end}/`];
  if (/^tools\/\w+\/(program|options)\.ts$/.test(from)) folders.push('tools/run/');
  return folders.some((folder) => to.startsWith(folder));
}

/** The layer in tools/bench, as a number that grows downwards. */
function benchFloor(file: string): number {
  const floor = BENCH.indexOf(file.split('/')[2] ?? '');
  if (/^tools\/bench\/(main|program)\.ts$/.test(file)) return -1;
  return floor < 0 ? BENCH.indexOf('sides') : floor;
}

const imports = (folder: string) =>
  sources(folder).flatMap((file) => importsOf(file, readFileSync(join(root, file), 'utf8')));
const show = ({ from, to }: Import) => `${from} imports ${relative('.', to)}`;

describe('layers', () => {
  it('are known for every file in src/', () => {
    const unknown = sources('src').filter(
      (file) => !isTest(file) && layer(file) < 0 && file !== 'src/index.ts',
    );
    expect(unknown).toEqual([]);
  });

  it('are imported downwards only', () => {
    const code = imports('src').filter(({ from }) => !isTest(from));
    expect(code.length).toBeGreaterThan(50);
    expect(code.filter(upward).map(show)).toEqual([]);
  });

  it('are open to tools/ below the applications', () => {
    const intoSrc = imports('tools').filter(({ from, to }) => to.startsWith('src/') && !isTest(from));
    expect(intoSrc.filter(({ to }) => !PUBLIC.includes(to.split('/')[1] ?? '')).map(show)).toEqual([]);
  });

  it('are separate where parts must not depend on each other', () => {
    const code = imports('src').filter(({ from }) => !isTest(from));
    expect(code.filter(never).map(show)).toEqual([]);
    expect(NEVERS.flat(2).filter((folder) => !LAYERS.includes(folder))).toEqual([]);
  });

  it.each(['tools/device', 'tools/peer'])('leave only src and the framed socket to share: %s', (end) => {
    const code = imports(end).filter(({ from }) => !isTest(from));
    expect(code.length).toBeGreaterThan(30);
    expect(code.filter((one) => !sharedByBothEnds(one)).map(show)).toEqual([]);
  });

  it('let the framed socket depend on src only', () => {
    const code = imports('tools/socket').filter(({ from }) => !isTest(from));
    expect(code.filter(({ to }) => !/^(src|tools\/socket)\//.test(to)).map(show)).toEqual([]);
  });

  it('and files of src/ and tools/ import each other in no circle', () => {
    expect(importCircles([...imports('src'), ...imports('tools')])).toEqual([]);
  });

  it('of tools/ are independent, on top of tools/run and tools/socket', () => {
    const among = imports('tools').filter(({ from, to }) => to.startsWith('tools/') && !isTest(from));
    const wrong = among.filter(({ from, to }) => {
      const [own = '', other = ''] = [from.split('/')[1], to.split('/')[1]];
      return own !== other && !TOOLS[own]?.includes(other);
    });
    expect(wrong.map(show)).toEqual([]);
    const ofPeer = among.filter(
      ({ from, to }) => from.startsWith('tools/run/') && to.startsWith('tools/peer/'),
    );
    expect([...new Set(ofPeer.map(({ from }) => from))]).toEqual(['tools/run/builtin-peer.ts']);
  });

  it('of the bench are suites, sides and instruments', () => {
    const inside = imports('tools/bench').filter(
      ({ from, to }) => to.startsWith('tools/bench/') && !isTest(from),
    );
    expect(inside.length).toBeGreaterThan(20);
    expect(inside.filter(({ from, to }) => benchFloor(to) < benchFloor(from)).map(show)).toEqual([]);
  });

  it('violations would be found', () => {
    const text = `import { a } from '../ethdev/port.ts';\nconst b = await import('../../tools/x.ts');\nexport * from './c.ts';`;
    const found = importsOf('src/abi/x.ts', text);
    expect(found.map(({ to }) => to)).toEqual(['src/ethdev/port.ts', 'tools/x.ts', 'src/abi/c.ts']);
    expect(found.map(upward)).toEqual([true, true, false]);
    expect(never({ from: 'src/engines/engine.ts', to: 'src/bus/dma.ts' })).toBe(true);
    const edge = (from: string, to: string) => ({ from, to });
    expect(importCircles([edge('a', 'b'), edge('b', 'c'), edge('c', 'b')])).toEqual(['b > c > b']);
    expect(importCircles([edge('a', 'b'), edge('a', 'c'), edge('b', 'c')])).toEqual([]);
    const crossing = [
      { from: 'tools/device/device.ts', to: 'tools/peer/memory-plan.ts' },
      { from: 'tools/peer/driver.ts', to: 'tools/run/child.ts' },
      { from: 'tools/peer/program.ts', to: 'tools/run/arguments.ts' },
    ];
    expect(crossing.map(sharedByBothEnds)).toEqual([false, false, true]);
  });
});

/**
 * What each folder of addon/ may include besides its own headers: folders or headers of the addon, and
 * Node's.
 */
const ADDON: Readonly<Record<string, { readonly below: readonly string[]; readonly node: boolean }>> = {
  ring: { below: [], node: false },
  packet: { below: ['ring/layout.h'], node: false },
  burst: { below: ['packet', 'ring'], node: false },
  // Notifications belong to the ring engine (docs/architecture.md, "Folders of the addon").
  os: { below: ['ring/bounded_call.h', 'ring/signal.h'], node: false },
  binding: { below: ['os', 'burst', 'packet', 'ring'], node: true },
};

const NODE_HEADER = /^(?:napi|node|uv|v8)/;

const cppSources = () =>
  readdirSync(join(root, 'addon'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.(?:cc|h)$/.test(file),
  );

function includesOf(text: string): { quoted: string[]; system: string[] } {
  const all = [...text.matchAll(/^#\s*include\s*(["<])([^">]+)[">]/gm)];
  const of = (mark: string) => all.filter(([, open]) => open === mark).map(([, , name = '']) => name);
  return { quoted: of('"'), system: of('<') };
}

/** The includes of a file of addon/ that its folder may not have. */
function forbidden(file: string, text: string): string[] {
  const folder = dirname(file);
  const rule = ADDON[folder];
  const allowed = [folder, ...(rule?.below ?? [])];
  const { quoted, system } = includesOf(text);
  return [
    ...quoted.filter((name) => !allowed.includes(dirname(name)) && !allowed.includes(name)),
    ...system.filter((name) => NODE_HEADER.test(name) && !rule?.node),
  ].map((name) => `addon/${file} includes ${name}`);
}

/** Headers of addon/ that include themselves through others, which `#pragma once` would hide. */
function circles(includes: ReadonlyMap<string, readonly string[]>): string[] {
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    (includes.get(from) ?? []).some((name) => {
      if (name === to) return true;
      if (seen.has(name)) return false;
      seen.add(name);
      return reaches(name, to, seen);
    });
  return [...includes.keys()].filter((header) => reaches(header, header));
}

describe('folders of addon/', () => {
  it('are known', () => {
    const folders = new Set(cppSources().map((file) => dirname(file)));
    expect([...folders].toSorted()).toEqual(Object.keys(ADDON).toSorted());
  });

  it('have no include cycles', () => {
    const headers = cppSources().filter((file) => file.endsWith('.h'));
    const includes = headers.map((file) => {
      const { quoted } = includesOf(readFileSync(join(root, 'addon', file), 'utf8'));
      return [file, quoted] as const;
    });
    expect(circles(new Map(includes))).toEqual([]);
  });

  it('include downwards only: ring, packet and burst include nothing from os, binding or Node', () => {
    const files = cppSources();
    expect(files.length).toBeGreaterThan(50);
    const found = files.flatMap((file) => forbidden(file, readFileSync(join(root, 'addon', file), 'utf8')));
    expect(found).toEqual([]);
  });

  it('violations would be found', () => {
    const text = '#include <napi.h>\n#include <vector>\n#include "os/event.h"\n#include "ring/chain.h"\n';
    expect(forbidden('burst/x.cc', text)).toEqual([
      'addon/burst/x.cc includes os/event.h',
      'addon/burst/x.cc includes napi.h',
    ]);
    expect(forbidden('ring/x.h', '#include "burst/relay.h"\n')).toHaveLength(1);
    expect(forbidden('os/x.cc', '#include "ring/signal.h"\n#include "ring/gate.h"\n')).toEqual([
      'addon/os/x.cc includes ring/gate.h',
    ]);
    const circle = new Map([
      ['a.h', ['b.h']],
      ['b.h', ['c.h']],
      ['c.h', ['b.h']],
    ]);
    expect(circles(circle)).toEqual(['b.h', 'c.h']);
    expect(forbidden('binding/x.cc', text)).toEqual([]);
  });
});
