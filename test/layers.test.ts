// SPDX-License-Identifier: BSD-3-Clause
// Imports in src/ go downwards only, and nothing in src/ knows of tools/.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Top to bottom; a folder imports from itself and from what stands after it. */
const LAYERS = [
  'testpmd',
  'lcore',
  'ethdev',
  'vhost-pci',
  'virtio',
  'bus',
  'pci',
  'abi',
  'output',
  'native.ts',
  'machine-memory.ts',
  'byte-size.ts',
  'arguments.ts',
  'errors.ts',
];

/** What tools/ may import of src/. The applications on top are programs, not modules. */
const PUBLIC = ['index.ts', ...LAYERS.filter((layer) => layer !== 'testpmd')];

/** What each folder of tools/ may import of the others. */
const TOOLS: Readonly<Record<string, readonly string[]>> = {
  run: ['peer'], // What the built-in peer reports, as types.
  device: ['run'],
  peer: ['run'],
  devbind: [],
  bench: ['run', 'peer'],
  start: ['run'],
  vm: ['run'],
  examples: [],
};

/** Folders of tools/bench, top to bottom; its other files lie between suites and instruments. */
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

/** Tests and their helpers may reach anywhere. */
const isTest = (file: string) => /\.test(-help)?\.ts$/.test(file);

function layer(file: string): number {
  return LAYERS.indexOf(file.split('/')[1] ?? '');
}

function upward({ from, to }: Import): boolean {
  if (!to.startsWith('src/')) return true;
  if (from === join('src', 'index.ts')) return false;
  return layer(to) < layer(from);
}

/** In tools/bench: a number that grows downwards. */
function benchFloor(file: string): number {
  const floor = BENCH.indexOf(file.split('/')[2] ?? '');
  if (file === join('tools', 'bench', 'main.ts')) return -1;
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

  it('of tools/ lie side by side on tools/run', () => {
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

  it('would be found broken', () => {
    const text = `import { a } from '../ethdev/port.ts';\nconst b = await import('../../tools/x.ts');\nexport * from './c.ts';`;
    const found = importsOf('src/abi/x.ts', text);
    expect(found.map(({ to }) => to)).toEqual(['src/ethdev/port.ts', 'tools/x.ts', 'src/abi/c.ts']);
    expect(found.map(upward)).toEqual([true, true, false]);
  });
});
