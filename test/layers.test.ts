// SPDX-License-Identifier: BSD-3-Clause
// Imports in src/ go downwards only and past what a part must not know, nothing in src/ knows of tools/, and no files import each other
// in a circle.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Top to bottom, with each one's reason to exist; a folder imports from itself and from what stands after it. */
const REASONS: Readonly<Record<string, string>> = {
  testpmd: "the CLI in testpmd's dialect",
  lcore: 'pinned threads that run poll loops',
  drivers: 'what makes a port of a device string, and the ports that are open',
  'vhost-pci': 'the RFC 2.0 session with the device, over a PCI function',
  engines: 'rings and memory of a peer, over any carrier',
  virtio: 'the virtio-pci transport and feature sets',
  bus: 'one PCI function, by socket, kernel VFIO or UIO',
  ethdev: 'the port API: what an application sees of any port',
  pci: 'configuration space, capabilities, sysfs',
  packet: 'addresses, headers and checksums of packets',
  abi: 'layouts of others as data',
  output: 'text that never blocks the event loop',
  'native.ts': "the addon's contract",
  'machine-memory.ts': 'how much memory this machine and process may have',
  'alignment.ts': 'pages, and multiples of a size',
  'byte-size.ts': 'sizes as text',
  'arguments.ts': 'checks of what the public API is given',
  'errors.ts': 'the one kind of error',
};
const LAYERS = Object.keys(REASONS);

/** What a part must never know, whatever the order above allows: [folder, folders that it never imports]. */
const NEVERS: readonly [string, readonly string[]][] = [
  ['engines', ['vhost-pci', 'bus', 'drivers', 'ethdev']],
  ['vhost-pci', ['ethdev']],
  ['virtio', ['ethdev']],
  ['bus', ['ethdev']],
  ['ethdev', ['drivers', 'vhost-pci', 'engines', 'virtio', 'bus', 'abi']],
];

/** What tools/ may import of src/. The applications on top are programs, not modules. */
const PUBLIC = ['index.ts', ...LAYERS.filter((layer) => layer !== 'testpmd')];

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

/** Tests and their helpers may reach anywhere. */
const isTest = (file: string) => /\.test(-help)?\.ts$/.test(file);

function layer(file: string): number {
  return LAYERS.indexOf(file.split('/')[1] ?? '');
}

const never = ({ from, to }: Import): boolean =>
  NEVERS.some(
    ([folder, others]) =>
      from.startsWith(`src/${folder}/`) && others.some((other) => to.startsWith(`src/${other}/`)),
  );

/** The first circle found from each file that is on one; "a > b > a". */
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

  it('are not skipped where parts must not know each other', () => {
    const code = imports('src').filter(({ from }) => !isTest(from));
    expect(code.filter(never).map(show)).toEqual([]);
    expect(NEVERS.flat(2).filter((folder) => !LAYERS.includes(folder))).toEqual([]);
  });

  it('are all that device model and built-in peer share, but for what starts programs', () => {
    const sides: readonly string[] = ['tools/device/', 'tools/peer/'];
    const across = imports('tools').filter(
      ({ from, to }) => !isTest(from) && sides.some((side) => from.startsWith(side) && !to.startsWith(side)),
    );
    const shared = across.filter(({ to }) => !to.startsWith('src/') && !to.startsWith('tools/run/'));
    expect(shared.map(show)).toEqual([]);
  });

  it('and files of src/ and tools/ import each other in no circle', () => {
    expect(importCircles([...imports('src'), ...imports('tools')])).toEqual([]);
  });

  it('would be found broken', () => {
    const text = `import { a } from '../ethdev/port.ts';\nconst b = await import('../../tools/x.ts');\nexport * from './c.ts';`;
    const found = importsOf('src/abi/x.ts', text);
    expect(found.map(({ to }) => to)).toEqual(['src/ethdev/port.ts', 'tools/x.ts', 'src/abi/c.ts']);
    expect(found.map(upward)).toEqual([true, true, false]);
    expect(never({ from: 'src/engines/engine.ts', to: 'src/bus/dma.ts' })).toBe(true);
    const edge = (from: string, to: string) => ({ from, to });
    expect(importCircles([edge('a', 'b'), edge('b', 'c'), edge('c', 'b')])).toEqual(['b > c > b']);
    expect(importCircles([edge('a', 'b'), edge('a', 'c'), edge('b', 'c')])).toEqual([]);
  });
});
