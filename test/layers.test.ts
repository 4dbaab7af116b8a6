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

/**
 * Device model and peer are the two ends of one protocol, and neither trusts the other: besides src they share the framed socket. The main
 * modules read command lines as all programs do.
 */
function sharedByBothEnds({ from, to }: Import): boolean {
  const [, end = ''] = from.split('/');
  const folders = ['src/', 'tools/socket/', `tools/${end}/`];
  if (from === `tools/${end}/main.ts`) folders.push('tools/run/');
  return folders.some((folder) => to.startsWith(folder));
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

  it.each(['tools/device', 'tools/peer'])('leave only src and the framed socket to share: %s', (end) => {
    const code = imports(end).filter(({ from }) => !isTest(from));
    expect(code.length).toBeGreaterThan(30);
    expect(code.filter((one) => !sharedByBothEnds(one)).map(show)).toEqual([]);
  });

  it('let the framed socket stand on src alone', () => {
    const code = imports('tools/socket').filter(({ from }) => !isTest(from));
    expect(code.filter(({ to }) => !/^(src|tools\/socket)\//.test(to)).map(show)).toEqual([]);
  });

  it('would be found broken', () => {
    const text = `import { a } from '../ethdev/port.ts';\nconst b = await import('../../tools/x.ts');\nexport * from './c.ts';`;
    const found = importsOf('src/abi/x.ts', text);
    expect(found.map(({ to }) => to)).toEqual(['src/ethdev/port.ts', 'tools/x.ts', 'src/abi/c.ts']);
    expect(found.map(upward)).toEqual([true, true, false]);
    const crossing = [
      { from: 'tools/device/device.ts', to: 'tools/peer/layout.ts' },
      { from: 'tools/peer/driver.ts', to: 'tools/run/child.ts' },
      { from: 'tools/peer/main.ts', to: 'tools/run/arguments.ts' },
    ];
    expect(crossing.map(sharedByBothEnds)).toEqual([false, false, true]);
  });
});
